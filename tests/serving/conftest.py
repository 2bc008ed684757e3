"""Plugins written on the spot, one running server for all tests that only call it, and servers that a test may kill."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import plugin_repo
from mixpeek_dagster.models.packaged import install_packaged_models
from mixpeek_dagster.settings import Settings
from tests.serving.plugin_server import PluginServer

PIPELINE = """
def build_steps(extractor_request, container=None, **kwargs):
    return {"steps": [lambda batch: batch]}
"""
SERVED = {
    "sync_call": """
        class InferenceService:
            def __call__(self, inputs, parameters):
                return {"embedding": [1.0, 2.0, 3.0], "heard": inputs["text"], "parameters": parameters}
    """,
    "only_run_inference": """
        from shared.plugins.inference.serve import BaseInferenceService

        class InferenceService(BaseInferenceService):
            def run_inference(self, inputs, parameters):
                return {"heard": inputs["text"]}
    """,
    "plain_run_inference": """
        class InferenceService:
            async def run_inference(self, inputs, parameters):
                return {"heard": inputs["text"]}
    """,
    "factory": """
        class Service:
            def __init__(self, greeting):
                self.greeting = greeting

            async def __call__(self, inputs, parameters):
                return {"heard": f"{self.greeting} {inputs['text']}"}

        def get_inference_service(**kwargs):
            return Service("hello")
    """,
    "with_numpy": """
        import numpy as np

        class InferenceService:
            async def __call__(self, inputs, parameters):
                return {"vector": np.ones(3, dtype=np.float32), "score": np.float64(0.5), "hits": np.arange(2)}
    """,
    "wrong_dimension": """
        class InferenceService:
            def __call__(self, inputs, parameters):
                return {"embedding": [0.5, 0.5]}
    """,
    "no_dict": """
        class InferenceService:
            def __call__(self, inputs, parameters):
                return [1.0, 2.0, 3.0]
    """,
    "raising": """
        class InferenceService:
            async def __call__(self, inputs, parameters):
                return self.look_up(inputs)

            def look_up(self, inputs):
                raise LookupError("no such colour: octarine")
    """,
    "exiting": """
        class InferenceService:
            async def __call__(self, inputs, parameters):
                raise SystemExit(3)
    """,
    "environment": """
        import os

        class InferenceService:
            def __call__(self, inputs, parameters):
                return dict(os.environ)
    """,
    "broken_import": """
        import a_module_that_nobody_has
    """,
}

KEYS = ("AWS_SECRET_ACCESS_KEY", "MIXPEEK_QDRANT_API_KEY", "MIXPEEK_MONGODB_URL", "HF_TOKEN")

WritePlugin = Callable[..., Path]


def write_plugin(folder: Path, realtime: str, name: str = "", features: str = "vector:3") -> Path:
    """A plugin folder with this realtime.py; `features` is `name:dimension`, separated by spaces."""
    folder.mkdir(parents=True)
    entries = [
        {"feature_name": feature, "feature_type": "embedding", "embedding_dim": int(size), "distance_metric": "cosine"}
        for feature, size in (entry.split(":") for entry in features.split())
    ]
    manifest = [
        f"feature_extractor_name = {name or folder.name!r}",
        'version = "1.0.0"',
        'input_schema = {"text": {"type": "string"}}',
        f"features = {entries}",
    ]
    (folder / "manifest.py").write_text("\n".join(manifest), encoding="utf-8")
    (folder / "pipeline.py").write_text(PIPELINE, encoding="utf-8")
    (folder / "realtime.py").write_text(textwrap.dedent(realtime).lstrip(), encoding="utf-8")
    return folder


def example(name: str) -> Path:
    return Path(plugin_repo.__path__[0]) / "examples" / name


def guides_plugin(folder: Path) -> list[Path]:
    """The guide's own quickstart under another name, if the guide is there."""
    from tests import guide

    if not guide.FILE.is_file():
        return []
    written = guide.write_plugin("my_extractor", folder / "guide_extractor")
    manifest = (written / "manifest.py").read_text(encoding="utf-8")
    (written / "manifest.py").write_text(manifest.replace("my_extractor", "guide_extractor"), encoding="utf-8")
    return [written]


@pytest.fixture
def plugin(tmp_path: Path) -> WritePlugin:
    """Write a plugin into the test's own folder: `plugin(realtime, name="...")`."""

    def write(realtime: str, name: str = "my_plugin", features: str = "vector:3") -> Path:
        return write_plugin(tmp_path / "plugins" / name, realtime, name, features)

    return write


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face cache with the models of installed packages."""
    cache = tmp_path_factory.mktemp("models")
    install_packaged_models(cache)
    return cache


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[PluginServer]:
    """One server with the quickstart's plugin and those of `SERVED`, broken ones among them; keys lie about."""
    root = tmp_path_factory.mktemp("serving")
    folders = [write_plugin(root / "plugins" / name, code) for name, code in SERVED.items()]
    folders += [example("wrong_feature_keys"), example("my_extractor"), *guides_plugin(root / "plugins")]
    with pytest.MonkeyPatch.context() as patch:
        for name in KEYS:
            patch.setenv(name, "top-secret")
        patch.delenv("HF_HUB_CACHE", raising=False)
        running = PluginServer.start(folders, Settings(home=root / "home", models=models))
    running.await_settled()
    yield running
    running.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., PluginServer]]:
    """Start a server of the test's own; it is stopped at the end."""
    with ExitStack() as stack:

        def start_one(*folders: Path) -> PluginServer:
            server = PluginServer.start(folders, Settings(home=tmp_path / "home"))
            stack.callback(server.close)
            server.await_settled()
            return server

        yield start_one
