"""A process that has imported the command, and runs each one in a fork of itself: `python -m tests.cli.forking`.

Most of a command's time is spent on imports, which a fork has done. Else it is the process that a user starts, with
arguments, environment, folder, output and exit code of its own. Reads a JSON object per line, writes an exit code.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass

from mixpeek_dagster.cli.main import VERBS, run

_LATER = (
    "mixpeek_dagster.api.app",
    "mixpeek_dagster.catalog.catalog",
    "mixpeek_dagster.dagster_home.runs",
    "mixpeek_dagster.graph.catalog_source",
    "mixpeek_dagster.index.vector_index",
    "mixpeek_dagster.objects.plugins",
    "mixpeek_dagster.objects.object_store",
    "mixpeek_dagster.operations.search",
    "mixpeek_dagster.runs.documents",
    "mixpeek_dagster.runs.selection",
    "mixpeek_dagster.runs.steps",
)
"""What verbs import when they get to work."""
_SECONDS = 240
"""A command that takes longer is killed, so that the next one is answered."""


@dataclass(frozen=True)
class Command:
    """What to run, and where its output goes."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    stdout: str
    stderr: str

    def to_line(self) -> str:
        """For the process to read."""
        return json.dumps(asdict(self)) + "\n"


def main() -> None:
    """Serve until standard input ends."""
    for verb in VERBS.values():
        importlib.import_module(f"mixpeek_dagster.cli.{verb.place.partition(':')[0]}")
    for module in _LATER:
        importlib.import_module(module)
    # A fork that collects what was imported before it would copy all of it.
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.alarm(_SECONDS)
            _become(Command(**json.loads(line)))
            run()
            return
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(command: Command) -> None:
    os.environ.clear()
    os.environ.update(command.environment)
    os.chdir(command.folder)
    sys.argv = ["mixpeek", *command.arguments]
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, command.stdout, os.O_WRONLY | os.O_CREAT),
        (2, command.stderr, os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)


if __name__ == "__main__":
    main()
