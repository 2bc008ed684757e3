"""New plugins: right from the start, and refused by name if they cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mixpeek_dagster.errors import AlreadyExists, InvalidRequest
from mixpeek_dagster.plugins.checks.check import check_plugin
from mixpeek_dagster.plugins.scaffold import KINDS, new_plugin


@pytest.mark.parametrize(
    "kind", [kind if kind == "text" else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_a_new_plugin_passes_its_check_and_its_own_tests(kind: str, tmp_path: Path) -> None:
    folder = new_plugin("my_new_one", kind, tmp_path)
    report = check_plugin(folder)
    assert report.problems == ()
    assert report.steps
    assert report.manifest is not None
    assert report.manifest["name"] == "my_new_one"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    tested = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert tested.returncode == 0, tested.stdout


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("my-plugin", "my_plugin"),
        ("1st", "plugin_1st"),
        ("ab", "ab_plugin"),
        ("é", "plugin"),
        ("class", "class_plugin"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_with_one_that_can(name: str, instead: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as error:
        new_plugin(name, "text", tmp_path)
    assert error.value.fix.endswith(instead)
    assert list(tmp_path.iterdir()) == []
    assert new_plugin(instead, "text", tmp_path).is_dir()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    new_plugin("mine", "text", tmp_path)
    with pytest.raises(AlreadyExists):
        new_plugin("mine", "image", tmp_path)
