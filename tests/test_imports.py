"""What a process imports before it is asked for anything: libraries that take long are not among it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = frozenset(
    {
        "PIL",
        "av",
        "bentoml",
        "boto3",
        "botocore",
        "dagster_aws",
        "dagster_ray",
        "fastapi",
        "httpcore",
        "httpx",
        "huggingface_hub",
        "jsonschema",
        "numpy",
        "obstore",
        "pandas",
        "pyarrow",
        "pymongo",
        "qdrant_client",
        "ray",
        "sentence_transformers",
        "torch",
        "transformers",
        "uvicorn",
    }
)
_REPORT = "import sys; sys.stderr.write('loaded: ' + ' '.join({name.partition('.')[0] for name in sys.modules}))"


def loaded(code: str, home: Path) -> set[str]:
    """Top-level modules that a process has imported once it has run some code."""
    environment = {**os.environ, "MIXPEEK_HOME": str(home)}
    command = [sys.executable, "-c", f"{code}\n{_REPORT}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    return set(done.stderr.rpartition("loaded: ")[2].split())


def test_the_report_tells_what_is_imported(tmp_path: Path) -> None:
    assert {"numpy", "pandas"} <= loaded("import pandas", tmp_path)


def test_the_code_location_imports_dagster_and_no_client_of_a_store(tmp_path: Path) -> None:
    modules = loaded("import mixpeek_dagster.definitions", tmp_path)
    assert "dagster" in modules
    assert not modules & (_HEAVY | {"rich", "psutil", "tenacity"})


def test_help_imports_no_verb(tmp_path: Path) -> None:
    code = """
import sys
from mixpeek_dagster.cli.main import app
sys.argv[1:] = ["--help"]
try:
    app()
except SystemExit as end:
    assert end.code == 0, end.code
"""
    modules = loaded(code, tmp_path)
    assert "rich" in modules, "help was not printed"
    assert not modules & (_HEAVY | {"dagster", "pydantic", "psutil"})


@pytest.mark.parametrize("verb", ["new", "check", "pack", "push", "list"])
def test_a_plugin_author_s_verb_needs_no_dagster_and_no_model(verb: str, tmp_path: Path) -> None:
    code = f"""
import sys
from mixpeek_dagster.cli.main import app
sys.argv[1:] = ["plugin", {verb!r}, "--help"]
try:
    app()
except SystemExit as end:
    assert end.code == 0, end.code
"""
    needless = {"dagster", "torch", "ray", "transformers", "qdrant_client", "pymongo", "bentoml"}
    assert not loaded(code, tmp_path) & needless
