"""Realtime inference against what one would use instead, and what it does while it is changed, killed and large.

    python -m bench.serving --json figures.json
    python -m bench.serving --quick --only throughput

Every server and every load is a process of its own; servers that are compared run in turn, with the same model, texts,
clients and number of threads. bench/README.md says what each figure means.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bench.installation import ours
from bench.loads import Texts, run_load
from bench.peer_environments import Unavailable
from bench.processes import Result, run_variant
from bench.report import Figure, arguments, finish
from bench.servers import VARIANTS, Server, bentoml, fastapi, ray_serve
from bench.serving_changes import deploy_under_load, killed_under_load
from bench.serving_many import many_deployments
from bench.serving_run import Run
from bench.surroundings import enter
from bench.texts import write_texts

_ROOT = Path(__file__).parents[1]
_CHARACTERS = 200
_THEIRS: Mapping[str, Server] = {"ray_serve": ray_serve, "bentoml": bentoml, "fastapi": fastapi}


def throughput(run: Run) -> list[Figure]:
    """So many clients: ours and the others in turn."""
    servers: dict[str, Server] = {"ours": ours, **_THEIRS}
    results: dict[str, list[Result]] = {name: [] for name in servers}
    for number in range(run.rounds):
        for name, server in servers.items():
            try:
                results[name].append(_loaded(run, name, server, number, run.clients))
            except Unavailable as reason:
                print(f"{name} was left out: {reason}", file=sys.stderr)
    measured = {name: found for name, found in results.items() if found}
    rates = {name: _median(found, "requests_per_second") for name, found in measured.items()}
    slowest = {name: _median(found, "p99_ms") for name, found in measured.items()}
    best = max((name for name in rates if name != "ours"), key=rates.__getitem__)
    quickest = min((name for name in slowest if name != "ours"), key=slowest.__getitem__)
    how = f"{run.clients} clients, {len(run.texts.texts)} texts of at most {_CHARACTERS} characters"
    figures = []
    for name, found in measured.items():
        note = f"p50 {_median(found, 'p50_ms'):.0f} ms, runs: {_list(found, 'requests_per_second')}; {how}"
        figures.append(Figure(f"requests_per_second_{name}", rates[name], note=note))
        figures.append(Figure(f"p99_ms_{name}", slowest[name], note=f"runs: {_list(found, 'p99_ms')}"))
        figures.append(Figure(f"failed_{name}", _total(found), 0 if name == "ours" else None, note=_failures(found)))
    cosines = min(result["min_cosine"] for result in measured["ours"])
    return [
        *figures,
        Figure("throughput_vs_best", rates["ours"] / rates[best], 2.0, "at least", f"the best is {best}"),
        Figure("p99_vs_best", slowest["ours"] / slowest[quickest], 1.0, note=f"the lowest p99 is that of {quickest}"),
        Figure("min_cosine", cosines, 0.9999, "at least", "ours and plain transformers, all replies"),
    ]


def one_client(run: Run) -> list[Figure]:
    """One client, and the forward pass alone."""
    bare, served = [], []
    for number in range(run.rounds):
        bare.append(_bare(run))
        served.append(_loaded(run, "ours", ours, number, 1))
    forward, median = _median(bare, "p50_ms"), _median(served, "p50_ms")
    note = f"runs: {_list(served, 'p50_ms')}; bound = 1.15 x {forward:.1f} ms + 3 ms"
    return [
        Figure("forward_p50_ms", forward, note=f"tokenise, forward, pool in process; runs: {_list(bare, 'p50_ms')}"),
        Figure("one_client_p50_ms", median, 1.15 * forward + 3, note=note),
        Figure("one_client_p99_ms", _median(served, "p99_ms"), note=f"runs: {_list(served, 'p99_ms')}"),
        Figure("one_client_failed", _total(served), 0, note=_failures(served)),
    ]


def _loaded(run: Run, name: str, server: Server, number: int, clients: int) -> Result:
    folder = run.home / f"{name}-{clients}-{number}"
    with server(folder, run.settings, run.environments) as endpoint:
        result = run_load(
            endpoint, run.texts, folder, clients=clients, warm_seconds=run.warm_seconds, seconds=run.seconds
        )
    print(f"{name:28} {f'{clients} clients':40} {result}", flush=True)
    return result


def _bare(run: Run) -> Result:
    return run_variant(VARIANTS / "bare_forward.py", run.home / "texts", _CHARACTERS, run.seconds, run.texts.vectors)


def _median(results: list[Result], key: str) -> float:
    return statistics.median(result[key] if result[key] is not None else float("inf") for result in results)


def _total(results: list[Result]) -> float:
    return float(sum(result["failed"] for result in results))


def _failures(results: list[Result]) -> str:
    return "; ".join(f"{count} x {reason}" for result in results for reason, count in result["failures"].items())


def _list(results: list[Result], key: str) -> str:
    return ", ".join(f"{result[key]:.1f}" if result[key] is not None else "none" for result in results)


_MEASURES: Mapping[str, Callable[[Run], list[Figure]]] = {
    "throughput": throughput,
    "one-client": one_client,
    "deploy": deploy_under_load,
    "kill": killed_under_load,
    "many": many_deployments,
}


def main() -> int:
    """Measure and print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--only", action="append", choices=list(_MEASURES), help="leave out the others; repeatable")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often servers run in turn, 3 if not given")
    parser.add_argument("--seconds", type=float, metavar="S", help="that a load is measured, 20 if not given")
    parser.add_argument("--quick", action="store_true", help="short loads, to see that all servers run")
    parser.add_argument("--environments", type=Path, default=_ROOT / ".bench-venvs", metavar="FOLDER")
    options = parser.parse_args()
    given = {name: getattr(options, name) for name in ("rounds", "seconds") if getattr(options, name) is not None}
    with tempfile.TemporaryDirectory(prefix="mixpeek-bench-") as folder:
        home = Path(folder)
        settings = enter(home / "home")
        run = Run(home, settings, options.environments, _texts(home, 64 if options.quick else 500))
        if options.quick:
            run = replace(run, rounds=1, seconds=3.0, warm_seconds=2.0)
        figures, failed = _measure(replace(run, **given), options.only or list(_MEASURES))
    return finish(figures, options.json, failed)


def _measure(run: Run, names: list[str]) -> tuple[list[Figure], dict[str, str]]:
    """The figures, and why those that did not come about are not among them: the others took long enough."""
    # Writes the vectors that every reply is held against.
    _bare(replace(run, seconds=1.0))
    figures: list[Figure] = []
    failed: dict[str, str] = {}
    for name in names:
        try:
            figures += _MEASURES[name](run)
        except SystemExit as error:
            failed[name] = str(error)
    return figures, failed


def _texts(home: Path, count: int) -> Texts:
    write_texts(home / "texts", count, paragraphs=True)
    texts = [path.read_text(encoding="utf-8")[:_CHARACTERS] for path in sorted((home / "texts").glob("*.txt"))]
    return Texts(texts, home / "vectors.npy")


if __name__ == "__main__":
    sys.exit(main())
