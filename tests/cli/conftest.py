"""The command in a home of its own, as a user would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mixpeek_dagster.embedded import stop_embedded

EXAMPLES = Path(__file__).parents[2] / "plugin_repo" / "examples"
Mixpeek = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cli_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose stores the command itself starts."""
    home = tmp_path_factory.mktemp("cli") / "home"
    yield home
    stop_embedded(home)


@pytest.fixture
def mixpeek(cli_home: Path, tmp_path: Path) -> Mixpeek:
    """Run `mixpeek` with these arguments and give back what it said."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {
            **os.environ,
            "MIXPEEK_HOME": str(cli_home),
            "HF_HUB_OFFLINE": "1",
            "COLUMNS": "200",
            **environment,
        }
        command = [sys.executable, "-c", "from mixpeek_dagster.cli.main import run; run()", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=240, check=False
        )

    return run
