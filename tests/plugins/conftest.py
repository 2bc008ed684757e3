"""Plugins written by the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.archives import Try

FEATURES = (
    'features = [{"feature_type": "embedding", "feature_name": "v", "embedding_dim": 4, "distance_metric": "cosine"}]\n'
)
PIPELINE = """
from engine.plugins.extractors.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps
from .processors.core import Embed


def build_steps(extractor_request, **kwargs):
    pipeline = PipelineDefinition(name="p", version="1.0.0", steps=[StepDefinition(service_class=Embed)])
    return {"steps": build_pipeline_steps(pipeline)}
"""
CORE = """
class Embed:
    \"\"\"Embed.\"\"\"

    def __call__(self, batch):
        return batch
"""
WRITES = CORE.replace("return batch", 'batch["v"] = [[0.1] * 4] * len(batch)\n        return batch')
"""A processor that fills the vector of `FEATURES`."""
MakePlugin = Callable[..., Path]


@pytest.fixture
def make_plugin(tmp_path: Path) -> MakePlugin:
    """Write a plugin folder: manifest text, and other files by path."""

    def make(manifest: str = FEATURES, name: str = "plugin", **files: str) -> Path:
        folder = tmp_path / name
        head = "" if "feature_extractor_name" in manifest else f'feature_extractor_name = "{name}"\nversion = "1.0.0"\n'
        texts = {"manifest.py": head + manifest, "pipeline.py": PIPELINE, "processors/core.py": CORE}
        texts |= {f"{path.replace('__', '/')}.py": text for path, text in files.items()}
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return folder

    return make


@pytest.fixture
def attempt(tmp_path: Path) -> Try:
    return Try(tmp_path)


@pytest.fixture
def make(make_plugin: MakePlugin) -> MakePlugin:
    """A plugin that is right, unless a file says otherwise."""

    def make(manifest: str = FEATURES, **files: str) -> Path:
        return make_plugin(manifest, **({"processors__core": WRITES} | files))

    return make
