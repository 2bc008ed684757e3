"""The guide that plugin authors read: its imports work, its examples are ours, its own tests run."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import tokenize
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from mixpeek_dagster.plugins.checks.check import check_plugin
from mixpeek_dagster.plugins.loading import import_plugin_module, load_plugin

GUIDE = (Path(__file__).parent / "data" / "guide.md").read_text(encoding="utf-8")
EXAMPLES = Path(__file__).parents[2] / "plugin_repo" / "examples"
MODULES = (
    "engine.plugins.extractors.pipeline",
    "shared.billing.models",
    "shared.collection.features.extractors.models",
    "shared.collection.features.vectors.models",
    "shared.inference.intfloat.multilingual_e5_large_instruct.models",
    "shared.inference.registry",
    "shared.plugins",
    "shared.plugins.inference.batch",
    "shared.plugins.inference.serve",
    "shared.utilities.files",
)
_SKIPPED = {tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER}


def documented() -> list[tuple[str, str]]:
    """Module and name of every import of these modules in the guide; prose after a name does not count."""
    found = []
    for module in MODULES:
        for names in re.findall(rf"^from {re.escape(module)} import (\([^)]*\)|[\w, ]+)", GUIDE, re.MULTILINE):
            found += [(module, name.strip()) for name in names.strip("() \n").split(",") if name.strip()]
        for name in re.findall(rf"(?:path|Prefer) from {re.escape(module)} import (\w+)", GUIDE):
            found.append((module, name))
    return sorted(set(found))


@pytest.mark.parametrize(("module", "name"), documented())
def test_every_documented_import_works(module: str, name: str) -> None:
    value = getattr(importlib.import_module(module), name)
    assert value.__module__.startswith("mixpeek_dagster.")


def test_the_documented_names_are_found() -> None:
    names = {name for _, name in documented()}
    assert {
        "PipelineDefinition",
        "RowCondition",
        "open_asset",
        "download_asset",
        "resolve_url_to_local_path",
        "BaseInferenceService",
        "CostUnit",
        "FeatureExtractorModel",
        "VectorIndexDefinition",
        "InferenceConfigs",
        "get_batch_service",
    } <= names


def tokens(code: str) -> list[str]:
    """The code's tokens, without layout: the guide has lost its indentation."""
    lines = "\n".join(line.strip() for line in code.splitlines())
    found: list[str] = []
    with contextlib.suppress(tokenize.TokenError, IndentationError):
        stream = tokenize.generate_tokens(io.StringIO(lines).readline)
        found.extend(token.string.strip() for token in stream if token.type not in _SKIPPED)
    return found


@pytest.mark.parametrize(
    ("file", "first"),
    [
        ("my_extractor/manifest.py", "from pydantic import BaseModel, Field"),
        ("my_extractor/processors/core.py", "from dataclasses import dataclass"),
        ("my_extractor/pipeline.py", "from engine.plugins.extractors.pipeline import ("),
        ("my_extractor/realtime.py", "from shared.plugins.inference.serve import BaseInferenceService"),
        ("vlm_analyzer/processors/analyzer.py", "import asyncio\nimport hashlib"),
    ],
)
def test_the_examples_are_the_guides_word_for_word(file: str, first: str) -> None:
    ours = tokens((EXAMPLES / file).read_text(encoding="utf-8"))
    guide = tokens(GUIDE[GUIDE.index(first) :][: len((EXAMPLES / file).read_text()) * 2].split("\n3. Implement")[0])
    assert ours == guide[: len(ours)]


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("my_extractor", True),
        ("image_classifier", True),
        ("text_chunker", True),
        ("speech_search", True),
        ("vlm_analyzer", True),
        ("wrong_column", True),
        ("wrong_feature_keys", False),
    ],
)
def test_the_examples_pass_or_fail_as_their_names_say(name: str, passes: bool) -> None:
    assert check_plugin(EXAMPLES / name).passed is passes


def test_the_guides_test_of_build_steps_runs() -> None:
    plugin = load_plugin(EXAMPLES / "my_extractor")
    module = import_plugin_module(plugin.package, "pipeline", plugin.spec.folder)
    mock_request = MagicMock()
    mock_request.extractor_config.parameters = {"threshold": 0.8}

    result = module.build_steps(mock_request, container=MagicMock())

    assert "steps" in result
    assert len(result["steps"]) > 0


def test_credentials_are_out_of_reach_of_a_plugin_under_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXPEEK_S3_SECRET_ACCESS_KEY", "hush")
    folder = tmp_path / "curious"
    folder.mkdir()
    (folder / "manifest.py").write_text('feature_extractor_name = "curious"\nversion = "1.0"\n')
    (folder / "pipeline.py").write_text(
        "import os\n\n\ndef build_steps(extractor_request, **kwargs):\n    raise ValueError(sorted(os.environ))\n"
    )
    (problem,) = check_plugin(folder).errors
    assert "PATH" in problem.message
    assert "MIXPEEK_S3_SECRET_ACCESS_KEY" not in problem.message
