"""The command in a home of its own, as a user would run it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mixpeek_dagster.embedded import open_embedded, stop_embedded
from tests.cli.forking import Command

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "plugin_repo" / "examples"
_SURROUNDINGS = {"HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
Mixpeek = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cli_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose stores run, so that no command has to start them."""
    home = tmp_path_factory.mktemp("cli") / "home"
    with open_embedded(home):
        yield home
    stop_embedded(home)


@pytest.fixture(scope="session")
def forking() -> Iterator[subprocess.Popen[str]]:
    """The process that commands are forks of."""
    command = [sys.executable, "-m", "tests.cli.forking"]
    variables = {**os.environ, **_SURROUNDINGS}
    process = subprocess.Popen(
        command, cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.communicate()


@pytest.fixture
def mixpeek(forking: subprocess.Popen[str], cli_home: Path, tmp_path: Path) -> Mixpeek:
    """Run `mixpeek` with these arguments and give back what it said."""
    numbers = itertools.count()
    assert forking.stdin is not None
    assert forking.stdout is not None
    asked, answered = forking.stdin, forking.stdout

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "MIXPEEK_HOME": str(cli_home), **_SURROUNDINGS, **environment}
        stdout, stderr = (tmp_path / f"{name}-{next(numbers)}.txt" for name in ("stdout", "stderr"))
        asked.write(Command(list(arguments), variables, str(tmp_path), str(stdout), str(stderr)).to_line())
        asked.flush()
        code = int(answered.readline())
        return subprocess.CompletedProcess(arguments, code, stdout.read_text("utf-8"), stderr.read_text("utf-8"))

    return run
