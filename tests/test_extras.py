"""Which extra brings what the base package leaves out."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest

from mixpeek_dagster.errors import ExtraNotInstalled
from mixpeek_dagster.extras import install_command, not_installed, told_of_extras

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("dagster", "run"),
        ("dagster_aws.s3", "run"),
        ("pymongo.errors", "run"),
        ("bson", "run"),
        ("torch.nn", "models"),
        ("sentence_transformers", "models"),
        ("qdrant_edge", "embedded"),
        ("bentoml", "serve"),
        ("yaml", "serve"),
        ("ray.data", "ray"),
        ("av", "speech"),
    ],
)
def test_each_module_is_brought_by_an_extra(module: str, extra: str) -> None:
    assert install_command(module) == f"pip install 'mixpeek-dagster[{extra}]'"


@pytest.mark.parametrize("module", ["pandas", "PIL", "httpx", "mixpeek_dagster", "a_module_that_nobody_has", ""])
def test_what_the_base_has_and_what_nobody_has_are_of_no_extra(module: str) -> None:
    assert install_command(module) == ""
    assert not_installed(ModuleNotFoundError(name=module)) is None


def test_an_import_that_fails_in_the_block_names_the_extra() -> None:
    with pytest.raises(ExtraNotInstalled, match=r"'torch'.*pip install 'mixpeek-dagster\[models\]'"), told_of_extras():
        raise ModuleNotFoundError("No module named 'torch'", name="torch")


def test_another_import_that_fails_stays_what_it_is() -> None:
    with pytest.raises(ModuleNotFoundError, match="nobody"), told_of_extras():
        raise ModuleNotFoundError("No module named 'nobody_has_it'", name="nobody_has_it")


def test_the_base_needs_none_of_the_large_packages() -> None:
    wanted = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    large = ("torch", "ray", "dagster", "transformers", "qdrant", "bentoml", "pyarrow", "boto", "pymongo", "fastapi")
    assert not [line for line in wanted if line.startswith(large)]


def test_the_metadata_is_that_of_the_project_file() -> None:
    """Else the extras named here are those of an older installation: `make install` renews it."""
    extras = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(metadata("mixpeek-dagster").get_all("Provides-Extra") or []) == set(extras)


def test_the_command_tells_of_a_missing_extra_in_one_error(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['dagster'] = None; sys.argv[1:] = ['materialize', 'notes'];"
        "from mixpeek_dagster.cli.main import run; run()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'mixpeek-dagster[run]'" in done.stderr
    assert "Traceback" not in done.stderr
