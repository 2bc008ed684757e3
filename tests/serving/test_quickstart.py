"""The quickstart's plugin: realtime and batch give the same vector for the same text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import plugin_repo
from mixpeek_dagster.operations.endpoint_client import infer
from mixpeek_dagster.plugins.loading import load_plugin
from tests import guide
from tests.serving.plugin_server import PluginServer

FOLDER = Path(plugin_repo.__path__[0]) / "examples" / "my_extractor"
TEXTS = {
    "empty": "",
    "word": "coffee",
    "sentence": "The pipeline completed, but zero documents were written to the database.",
    "umlauts": "Füße, naïve café, 数据库, 🙂",
    "praise": "A wonderful tool: fast, reliable and good to read.",
    "complaint": "It is slow, the page was broken and my notes were lost.",
    "long": "Permission is hereby granted, free of charge, to any person obtaining a copy of this software. " * 200,
}


# In a process of its own: the libraries read where their models are only once.
BATCH = """
import json
import sys
from pathlib import Path
import pandas as pd
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.request import ExtractorRequest

use_cache(Path(sys.argv[1]))
texts, made = json.load(sys.stdin), []
for folder in sys.argv[2:]:
    (step,) = load_plugin(Path(folder)).build_steps(ExtractorRequest.of(parameters={})).steps
    made.append(list(step.build()(pd.DataFrame({"text": texts}))["my_embedding"]))
print("\\n" + json.dumps(made))
"""


@pytest.fixture(scope="module")
def all_batch_vectors(models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[float]]]:
    """What the step of our plugin makes of the texts, and then that of the guide's own, if the guide is there."""
    folders = [FOLDER]
    if guide.FILE.is_file():
        folders.append(guide.write_plugin("my_extractor", tmp_path_factory.mktemp("guide") / "my_extractor"))
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_CACHE"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", BATCH, str(models), *map(str, folders)],
        input=json.dumps(list(TEXTS.values())),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [dict(zip(TEXTS, vectors, strict=True)) for vectors in json.loads(done.stdout.splitlines()[-1])]


@pytest.fixture(scope="module")
def batch_vectors(all_batch_vectors: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    return all_batch_vectors[0]


@pytest.mark.parametrize("name", TEXTS)
def test_realtime_vector_is_the_batch_vector(
    server: PluginServer, batch_vectors: dict[str, list[float]], name: str
) -> None:
    reply = infer(server.url_of(load_plugin(FOLDER).spec), {"text": TEXTS[name]})
    assert_same(reply["embedding"], batch_vectors[name])


def test_sentiment_is_served_beside_the_vector(server: PluginServer) -> None:
    url = server.url_of(load_plugin(FOLDER).spec)
    assert infer(url, {"text": TEXTS["word"]})["sentiment"] == "neutral"
    assert infer(url, {"text": TEXTS["praise"]})["sentiment"] == "positive"
    assert infer(url, {"text": TEXTS["complaint"]})["sentiment"] == "negative"


def assert_same(reply: list[float], batch: list[float]) -> None:
    served, stored = np.asarray(reply), np.asarray(batch)
    assert served.shape == (384,)
    assert served @ stored / (np.linalg.norm(served) * np.linalg.norm(stored)) > 0.9999


@guide.needs_guide
@pytest.mark.parametrize("name", TEXTS)
def test_so_is_that_of_the_guides_plugin(
    server: PluginServer, all_batch_vectors: list[dict[str, list[float]]], name: str
) -> None:
    reply = infer(f"{server.url}/guide_extractor/1_0_0", {"text": TEXTS[name]})
    assert_same(reply["embedding"], all_batch_vectors[1][name])
    assert reply["sentiment"] == ("positive" if len(TEXTS[name]) > 50 else "neutral")
