"""Speed and memory of the steps: the built-in services and whole jobs against what one would write or use instead.

    python -m bench.engine --json figures.json
    python -m bench.engine --quick --only text --only images

Every variant runs in a process of its own; those that are compared run in turn, with the same model, texts and number
of threads, and their ratio is the median of the pairs. bench/README.md says what each figure means.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bench import jobs, services
from bench.report import Figure, arguments, finish
from bench.sizes import Run
from bench.surroundings import enter
from mixpeek_dagster.embedded import stop_embedded

_ROOT = Path(__file__).parents[1]

_MEASURES: Mapping[str, Callable[[Run], list[Figure]]] = {
    "text": services.text_embedding,
    "images": services.image_embedding,
    "speech": services.transcription,
    "gpu": services.large_model,
    "ray-script": jobs.ray_script,
    "cocoindex": jobs.cocoindex,
    "daft": jobs.daft,
    "ray-backend": jobs.ray_backend,
    "memory": jobs.memory,
}


def main() -> int:
    """Measure and print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--only", action="append", choices=list(_MEASURES), help="leave out the others; repeatable")
    parser.add_argument("--texts", type=int, metavar="N", help="texts that are embedded, 2,000 if not given")
    parser.add_argument("--rows", type=int, metavar="N", help="rows of the memory figure, 200,000 if not given")
    parser.add_argument("--ray-rows", type=int, metavar="N", help="texts on the Ray backend, 20,000 if not given")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often variants run in turn, 3 if not given")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all variants run")
    parser.add_argument("--environments", type=Path, default=_ROOT / ".bench-venvs", metavar="FOLDER")
    options = parser.parse_args()
    given = {name: getattr(options, name) for name in ("texts", "rows", "ray_rows", "rounds")}
    sizes = {name: value for name, value in given.items() if value is not None}
    with tempfile.TemporaryDirectory(prefix="mixpeek-bench-") as folder:
        home = Path(folder)
        settings = enter(home / "home")
        run = Run(home, settings, options.environments)
        if options.quick:
            run = replace(run, rounds=1, texts=64, images=12, speech_seconds=20, ray_rows=64, rows=4_000)
        figures, failed = _measure(replace(run, **sizes), options.only or list(_MEASURES))
    return finish(figures, options.json, failed)


def _measure(run: Run, names: list[str]) -> tuple[list[Figure], dict[str, str]]:
    """The figures, and why those that a variant failed are not among them: the others took long enough."""
    figures: list[Figure] = []
    failed: dict[str, str] = {}
    try:
        for name in names:
            try:
                figures += _MEASURES[name](run)
            except SystemExit as error:
                failed[name] = str(error)
    finally:
        stop_embedded(run.settings.home_path)
    return figures, failed


if __name__ == "__main__":
    sys.exit(main())
