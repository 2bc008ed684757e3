"""CPU seconds of cold processes that have done nothing yet but import.

The code location, a run worker, a step's job, `mixpeek --help`.

    python -m bench.imports --json figures.json

Variants run in turn, each a process of its own; what counts is user and system time, so another program beside it makes
a figure a little larger and not twice as large. bench/README.md says what each figure means.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.report import Figure, arguments, finish
from mixpeek_dagster.cli.session import open_session
from mixpeek_dagster.embedded import stop_embedded
from mixpeek_dagster.graph.names import job_name
from mixpeek_dagster.plugins.scaffold import new_plugin
from mixpeek_dagster.settings import Settings

_PLAIN = Path(__file__).parent / "import_variants"
_COLLECTION = "notes"
_MOST = 1.3
_MOST_HELP_SECONDS = 1.0
_MIXPEEK = "from mixpeek_dagster.cli.main import run; run()"
# What `dagster api execute_run` and `execute_step` do before they run anything: load the command, build the job.
_WORKER = """
import importlib.metadata
importlib.metadata.entry_points(group="console_scripts")["dagster"].load()
import dagster as dg
dg.build_reconstructable_job({module!r}, "job", {arguments!r})
"""


@dataclass(frozen=True)
class Variant:
    """A process to measure."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        """User and system time of one cold process.

        Raises:
            SystemExit: it failed; shows what it printed.
        """
        environment = {**os.environ, **self.environment}
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(self.words, env=environment, stdout=output, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                raise SystemExit(f"{self.words} failed:\n{output.read().decode(errors='replace')[-4000:]}")
        return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mixpeek-imports-") as work, _a_collection(Path(work)) as home:
        measured = _measured(_variants(home), options.rounds)
    return finish(_figures(measured), options.json)


def _variants(home: Path) -> dict[str, Variant]:
    def python(code: str, **environment: str) -> Variant:
        return Variant((sys.executable, "-c", code), {"MIXPEEK_HOME": str(home), **environment})

    worker = _WORKER.format(module="mixpeek_dagster.definitions", arguments=(job_name("default", _COLLECTION),))
    plain = _WORKER.format(module="plain_location", arguments=())
    return {
        "dagster": python("import dagster"),
        "code_location": python("import mixpeek_dagster.definitions"),
        "plain_worker": python(plain, PYTHONPATH=str(_PLAIN)),
        "run_worker": python(worker),
        "step_job": python(worker, MIXPEEK_RAY_ADDRESS="http://127.0.0.1:8265", DAGSTER_RUN_STEP_KEY="step"),
        "help": Variant((sys.executable, "-c", _MIXPEEK, "--help")),
    }


def _measured(variants: Mapping[str, Variant], rounds: int) -> dict[str, list[float]]:
    for variant in variants.values():
        variant.cpu_seconds()  # writes the compiled files, which an installation has
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, variant in variants.items():
            seconds[name].append(variant.cpu_seconds())
    return seconds


def _figures(measured: Mapping[str, list[float]]) -> list[Figure]:
    figures = [
        Figure(
            f"{name}_cpu_seconds",
            statistics.median(seconds),
            _MOST_HELP_SECONDS if name == "help" else None,
            note=f"runs: {', '.join(f'{one:.2f}' for one in seconds)}",
        )
        for name, seconds in measured.items()
    ]
    for name, other in (("code_location", "dagster"), ("run_worker", "plain_worker"), ("step_job", "plain_worker")):
        ratios = [ours / theirs for ours, theirs in zip(measured[name], measured[other], strict=True)]
        note = f"median of the pairs: {', '.join(f'{one:.2f}' for one in sorted(ratios))}"
        figures.append(Figure(f"{name}_vs_dagster", statistics.median(ratios), _MOST, note=note))
    return figures


@contextmanager
def _a_collection(work: Path) -> Iterator[Path]:
    """A home whose catalog has one collection, of the plugin that `mixpeek plugin new` writes; its stores run."""
    home = work / "home"
    os.environ["MIXPEEK_HOME"] = str(home)
    plugin = new_plugin("my_extractor", "text", work)
    with open_session(Settings.load()):
        words = ("collection", "create", _COLLECTION, "--plugin", str(plugin), "--bucket", "notes")
        subprocess.run([sys.executable, "-c", _MIXPEEK, *words], check=True, stdout=subprocess.DEVNULL)
        yield home
    stop_embedded(home)


if __name__ == "__main__":
    sys.exit(main())
