"""The demo's own script, twice on one home."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mixpeek_dagster.embedded import stop_embedded
from tests.cli.conftest import Mixpeek


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "demo-home"


def test_the_demo_works_and_works_again(mixpeek: Mixpeek, home: Path) -> None:
    try:
        first = mixpeek("demo", MIXPEEK_HOME=str(home))
        second = mixpeek("demo", MIXPEEK_HOME=str(home))
    finally:
        stop_embedded(home)

    assert first.returncode == 0, first.stdout + first.stderr
    assert second.returncode == 0, second.stdout + second.stderr
    assert _row(first, "documents_reused") == [0, 0]
    assert _row(second, "documents_submitted_to_engine") == [0, 0]
    assert _row(second, "documents_reused") == _row(first, "documents_written")
    assert "chelsea.png" in first.stdout
    assert re.search(r"cosine with the batch vector (1\.0000|0\.9999)", " ".join(first.stdout.split()))
    assert "rename it to 'my_embedding'" in " ".join(first.stdout.split())
    assert "mixpeek up" in first.stdout.strip().splitlines()[-1]


def _row(done: subprocess.CompletedProcess[str], counter: str) -> list[int]:
    line = next(line for line in done.stdout.splitlines() if f" {counter} " in line)
    return [int(cell) for cell in line.split("│")[2:4]]
