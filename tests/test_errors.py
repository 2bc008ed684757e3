"""One tree of errors: complete, with codes that never change, and whole at the other end of a call."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

from mixpeek_dagster import errors
from mixpeek_dagster.errors import ErrorCode, MixpeekError, NotFound, PluginRejected, from_dict

ROOT = Path(__file__).parents[1]
# Callers match on these: a code may be added, never changed.
CODES = {
    "MixpeekError": "internal",
    "SettingsError": "settings_invalid",
    "ExtraNotInstalled": "extra_not_installed",
    "PluginError": "plugin_invalid",
    "ManifestError": "manifest_invalid",
    "PluginLoadError": "plugin_load_failed",
    "PipelineError": "pipeline_invalid",
    "ArchiveError": "archive_invalid",
    "PluginRejected": "plugin_rejected",
    "StepError": "step_failed",
    "OutOfMemory": "out_of_memory",
    "StoreError": "store_error",
    "StoreUnavailable": "store_unavailable",
    "StoreInUse": "store_in_use",
    "StoreNotInstalled": "store_not_installed",
    "SchemaTooNew": "schema_too_new",
    "NotFound": "not_found",
    "ModelNotFound": "model_not_found",
    "AlreadyExists": "already_exists",
    "InUse": "in_use",
    "InvalidRequest": "invalid_request",
    "Unauthorized": "unauthorized",
    "Forbidden": "forbidden",
    "VectorClash": "vector_clash",
    "IndexWriteError": "index_write_failed",
    "TransientWriteError": "index_unavailable",
    "ServingError": "serving_failed",
}


def kinds(kind: type[MixpeekError] = MixpeekError) -> list[type[MixpeekError]]:
    """It and all below it, but for what tests have made."""
    below = [found for child in kind.__subclasses__() for found in kinds(child)]
    return [kind, *below] if kind.__module__.startswith(errors.__name__) else below


def subclasses_in_the_source() -> dict[str, str]:
    """Class to parent of all classes that derive from MixpeekError, found without importing anything."""
    bases: dict[str, list[str]] = {}
    for path in (
        path for folder in ("mixpeek_dagster", "serving", "plugin_repo") for path in (ROOT / folder).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, []).extend(ast.unparse(base).rpartition(".")[2] for base in node.bases)
    found: dict[str, str] = {}
    known = {"MixpeekError"}
    while added := {name: base for name, its in bases.items() for base in its if base in known and name not in known}:
        found |= added
        known |= set(added)
    return found


def drawn_tree() -> dict[str, str]:
    """Class to parent, as the tree in the docstring draws them."""
    path: list[str] = []
    drawn: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"^((?:\|   |    )*[|`]-- )?([A-Z]\w+)(?:$| )", line):
            depth = len(found[1] or "") // 4
            if depth == 0 and found[2] != "MixpeekError":
                continue
            path[depth:] = [found[2]]
            if depth:
                drawn[found[2]] = path[depth - 1]
    return drawn


def test_the_tree_at_the_top_is_the_tree_of_the_source() -> None:
    assert drawn_tree() == subclasses_in_the_source()
    assert set(drawn_tree()) == {kind.__name__ for kind in kinds()} - {"MixpeekError"}


def test_every_error_has_a_code_of_its_own_that_stays() -> None:
    assert {kind.__name__: kind.code.value for kind in kinds()} == CODES
    assert {code.value for code in ErrorCode} == set(CODES.values())
    assert len(set(CODES.values())) == len(CODES)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_an_error_is_the_same_at_the_other_end(kind: type[MixpeekError]) -> None:
    more = {"validation_errors": [{"code": "a", "line": 3}]} if kind is PluginRejected else {"where": "manifest.py:3"}
    error = kind("plugin 'tiny'", why="it is not there", fix="Push it", **more)
    for other in (from_dict(error.to_dict()), pickle.loads(pickle.dumps(error))):
        assert type(other) is kind
        assert other.__dict__ == error.__dict__
        assert str(other) == str(error)


def test_a_code_of_a_later_version_is_still_an_error() -> None:
    error = from_dict({"code": "of_tomorrow", "what": "plugin 'tiny'", "why": "it sleeps"})
    assert (type(error), error.message) == (MixpeekError, "plugin 'tiny': it sleeps")


def test_an_error_without_what_its_class_needs_is_a_plain_one() -> None:
    error = from_dict({"code": "plugin_rejected", "what": "plugin 'tiny'", "why": "it has no manifest"})
    assert (type(error), error.message) == (MixpeekError, "plugin 'tiny': it has no manifest")


@pytest.mark.parametrize(
    ("error", "message", "sentence"),
    [
        (NotFound("plugin 'a'"), "plugin 'a'", "plugin 'a'"),
        (NotFound("plugin 'a'", why="it left"), "plugin 'a': it left", "plugin 'a': it left"),
        (NotFound("plugin 'a'", fix="Push it"), "plugin 'a'", "plugin 'a'. Push it"),
        (
            NotFound("plugin 'a'", why="it left", fix="Push it", where="a.py:1"),
            "plugin 'a': it left",
            "a.py:1: plugin 'a': it left. Push it",
        ),
    ],
)
def test_an_error_tells_itself(error: MixpeekError, message: str, sentence: str) -> None:
    assert error.message == message
    assert error.sentence() == sentence
    assert str(error) == f"{sentence} [not_found]"
