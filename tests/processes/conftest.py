"""Programs that end, hang, ignore signals and start others; each says what it is by its first line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mixpeek_dagster.processes.child import ChildProcess
from tests.waiting import wait_until

HANG = "print('up', flush=True)\nimport time\ntime.sleep(600)\n"
STUBBORN = (
    "import signal\nfor number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n" + HANG
)
FORKING = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(600)"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
"""

Run = Callable[..., ChildProcess]


def python(code: str, *arguments: object) -> list[str]:
    """The command that runs some Python."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def first_line(log: Path) -> str:
    """What a program said first, once it has."""
    wait_until(lambda: log.exists() and "\n" in log.read_text())
    return log.read_text().splitlines()[0]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "program.log"


@pytest.fixture
def run(log: Path) -> Iterator[Run]:
    """Run some Python with its output in `log`; it is killed at the end."""
    with ExitStack() as stack:

        def start(code: str, *arguments: object, **options: Any) -> ChildProcess:
            return stack.enter_context(ChildProcess.start(python(code, *arguments), **{"output": log, **options}))

        yield start
