"""Dagster's `dg` finds the component and the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import dagster as dg
from dagster_shared.libraries import DagsterLibraryRegistry

from mixpeek_dagster.components import CollectionComponent
from mixpeek_dagster.version import __version__

ROOT = Path(__file__).parents[2]
DG = Path(sys.executable).with_name("dg")
KEY = "mixpeek_dagster.components.CollectionComponent"


def run_dg(*arguments: str, folder: Path) -> str:
    environment = os.environ | {"DAGSTER_DISABLE_TELEMETRY": "1", "VIRTUAL_ENV": str(Path(sys.prefix))}
    ran = subprocess.run(
        [DG, *arguments], check=False, capture_output=True, text=True, cwd=folder, env=environment, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_dg_lists_the_component_in_any_folder(tmp_path: Path) -> None:
    listed = json.loads(run_dg("list", "components", "--json", folder=tmp_path))
    found = {item["key"]: item["summary"] for item in listed["items"]}
    assert found[KEY] == "One collection: a bucket, a plugin and its parameters."


def test_dg_shows_what_the_component_takes(tmp_path: Path) -> None:
    shown = run_dg("utils", "inspect-component", KEY, folder=tmp_path)
    schema = json.loads(shown.partition("Component schema:")[2])
    assert set(schema["properties"]) == set(CollectionComponent.model_fields)
    assert set(schema["required"]) == {"name", "bucket", "plugin"}


def test_the_entry_point_names_a_module_of_components() -> None:
    (point,) = (
        point for point in entry_points(group="dagster_dg_cli.registry_modules") if point.name == "mixpeek_dagster"
    )
    module = point.load()
    assert {name for name in module.__all__ if issubclass(getattr(module, name), dg.Component)} == set(module.__all__)


def test_dg_takes_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert "Project configuration file is valid" in run_dg("check", "toml", folder=ROOT)
    module = import_module(project["code_location_target_module"])
    assert isinstance(module.repository, dg.RepositoryDefinition)
    assert [import_module(name) for name in project["registry_modules"]]


def test_dagster_knows_the_version_of_the_library() -> None:
    assert DagsterLibraryRegistry.get()["mixpeek-dagster"] == __version__
