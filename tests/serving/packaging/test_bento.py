"""A plugin as a Bento: built, and served from nothing but the Bento."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from mixpeek_dagster.errors import PluginError, ServingError
from mixpeek_dagster.processes.ports import choose
from serving.packaging.bento import Bento, build_bento
from serving.packaging.requirements import pinned_requirements
from tests.serving.conftest import WritePlugin, example


def test_requirements_are_all_pinned_at_what_is_installed() -> None:
    lines = pinned_requirements(["mixpeek-dagster[serve,models]"])
    pins = dict(line.split("==") for line in lines if "==" in line)
    assert pins["bentoml"] == version("bentoml")
    assert pins["numpy"] == version("numpy")
    assert pins["h11"] == version("h11"), "what is needed indirectly is pinned, too"
    assert "+" not in pins["torch"]
    assert not {"pytest", "ruff", "mixpeek-dagster"} & set(pins), "only what serving needs"
    unpinned = [line for line in lines if "==" not in line]
    assert not unpinned


def test_a_requirement_that_is_not_installed_stays_as_it_is() -> None:
    lines = pinned_requirements(["nobody-has-this[extra]>=2,<3", "numpy"])
    assert lines == ["nobody-has-this<3,>=2", f"numpy=={version('numpy')}"]


def test_a_plugin_without_realtime_has_no_bento(plugin: WritePlugin) -> None:
    folder = plugin("")
    (folder / "realtime.py").unlink()
    with pytest.raises(PluginError, match=r"realtime\.py"):
        build_bento(folder)


@contextmanager
def served(tag: str, folder: Path, models: Path) -> Iterator[str]:
    """`bentoml serve` of a Bento in an empty folder, with nothing of this checkout on its path."""
    port = choose({"bento": ()})["bento"]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "BENTOML_HOME") if name in os.environ}
    variables = {**kept, "MIXPEEK_MODELS": str(models), "HF_HUB_OFFLINE": "1", "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-P", "-m", "bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    try:
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            try:
                if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def bento_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    store = tmp_path / "bentoml"
    store.mkdir()
    monkeypatch.setenv("BENTOML_HOME", str(store))
    return store


def source_of(made: Bento, store: Path) -> Path:
    name, _, build = made.tag.partition(":")
    return store / "bentos" / name / build / "src"


@pytest.mark.slow
def test_the_quickstart_is_built_and_served_from_its_bento_alone(
    bento_store: Path, tmp_path: Path, models: Path
) -> None:
    made = build_bento(example("my_extractor"), output=tmp_path / "exported.bento")
    assert made.tag.startswith("my_extractor_1_0_0:")
    assert made.file == tmp_path / "exported.bento"
    assert made.file.is_file()
    source = source_of(made, bento_store)
    assert (source / "plugin" / "my_extractor" / "realtime.py").is_file()
    assert not list(source.rglob("__pycache__"))
    requirements = (source.parent / "env" / "python" / "requirements.txt").read_text()
    assert f"bentoml=={version('bentoml')}" in requirements
    empty = tmp_path / "empty"
    empty.mkdir()
    with served(made.tag, empty, models) as url:
        body = {"inputs": {"text": "hello world"}, "parameters": {}}
        reply = httpx.post(f"{url}/my_extractor/1_0_0", json=body, timeout=120)
        page = httpx.get(f"{url}/docs.json").json()
    assert reply.status_code == 200, reply.text
    assert len(reply.json()["embedding"]) == 384
    assert "/my_extractor/1_0_0" in page["paths"]


@pytest.mark.slow
def test_a_bento_runs_the_code_that_is_in_it(
    bento_store: Path, tmp_path: Path, models: Path, plugin: WritePlugin
) -> None:
    realtime = """
        from pathlib import Path

        import mixpeek_dagster
        import serving
        import shared.plugins

        class InferenceService:
            def __call__(self, inputs, parameters):
                found = (mixpeek_dagster, serving, shared.plugins)
                return {"here": __file__, "files": [module.__file__ for module in found]}
    """
    made = build_bento(plugin(realtime, "inside"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with served(made.tag, empty, models) as url:
        reply = httpx.post(f"{url}/inside/1_0_0", json={"inputs": {}}, timeout=120).json()
    source = str(source_of(made, bento_store).resolve())
    assert all(path.startswith(source) for path in [reply["here"], *reply["files"]]), reply


@pytest.mark.slow
def test_what_bentoml_cannot_build_is_one_clear_error(
    bento_store: Path, tmp_path: Path, plugin: WritePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(bento_store / "file" / "below"))
    (bento_store / "file").write_text("no folder")
    with pytest.raises(ServingError, match=r"BentoML: .*file"):
        build_bento(plugin("class InferenceService: ...", "broken"))
