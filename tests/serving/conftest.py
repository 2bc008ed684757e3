"""Plugins written on the spot, one running server for all tests that only call it, and servers that a test may kill."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import plugin_repo
from mixpeek_dagster.models.packaged import install_packaged_models
from mixpeek_dagster.settings import Settings
from serving.process import InferenceServer

DEADLINE = 30.0
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
def server(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[InferenceServer]:
    """One server with the quickstart's plugin and those of `SERVED`, broken ones among them; keys lie about."""
    root = tmp_path_factory.mktemp("serving")
    folders = [write_plugin(root / "plugins" / name, code) for name, code in SERVED.items()]
    folders += [example("wrong_feature_keys"), example("my_extractor"), *guides_plugin(root / "plugins")]
    with pytest.MonkeyPatch.context() as patch:
        for name in KEYS:
            patch.setenv(name, "top-secret")
        patch.delenv("HF_HUB_CACHE", raising=False)
        settings = Settings(home=root / "home", models=models)
        running = InferenceServer(folders, settings=settings)
        running.start()
    yield running
    running.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., InferenceServer]]:
    """Start a server of the test's own; it is stopped at the end."""
    with ExitStack() as stack:

        def start_one(*folders: Path, **options: object) -> InferenceServer:
            settings = Settings(home=tmp_path / "home")
            return stack.enter_context(InferenceServer(folders, settings=settings, **options))  # type: ignore[arg-type]

        yield start_one


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Poll for a condition, with a deadline."""

    def wait_until(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, f"not within {DEADLINE} s"
            time.sleep(0.05)

    return wait_until


@pytest.fixture
def processes_of() -> Callable[[InferenceServer], set[int]]:
    """Ids of all live processes that work for a server, in whatever session they are: their environment names it."""

    def find(server: InferenceServer) -> set[int]:
        mark = f"MIXPEEK_SERVE_INSTANCE={server.instance}".encode()
        found = set()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
        return found - {os.getpid()}

    return find
