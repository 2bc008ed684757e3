"""Variants of a benchmark: each is a process of its own whose last line is its result as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Result = dict[str, Any]
_ROOT = Path(__file__).parents[1]


def run_variant(
    script: Path,
    *arguments: object,
    python: Sequence[str] = (sys.executable,),
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Run a variant to its end and print what it measured; it finds `bench` wherever it is run.

    Args:
        python: interpreter of the variant, with its options.
        environment: variables on top of those of this process.

    Raises:
        SystemExit: the variant failed; says what it printed.
    """
    words = [str(word) for word in arguments]
    done = subprocess.run(
        [*python, str(script), *words],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT), **(environment or {})},
    )
    if done.returncode:
        raise SystemExit(f"variant {script.stem} {' '.join(words)} failed:\n{done.stdout}\n{done.stderr}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    print(f"{script.stem:28} {' '.join(words)[-40:]:40} {result}", flush=True)
    return result


def in_turn(rounds: int, *variants: Callable[[int], Result]) -> list[tuple[Result, ...]]:
    """Run variants one after the other, `rounds` times over, each told the round's number."""
    return [tuple(variant(number) for variant in variants) for number in range(rounds)]
