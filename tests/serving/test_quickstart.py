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
(step,) = load_plugin(Path(sys.argv[2])).build_steps(ExtractorRequest.of(parameters={})).steps
frame = step.build()(pd.DataFrame({"text": json.load(sys.stdin)}))
print("\\n" + json.dumps(list(frame["my_embedding"])))
"""


def vectors_of_a_batch(folder: Path, models: Path) -> dict[str, list[float]]:
    """What the plugin's step makes of the texts."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_CACHE"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", BATCH, str(models), str(folder)],
        input=json.dumps(list(TEXTS.values())),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(zip(TEXTS, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.fixture(scope="module")
def batch_vectors(models: Path) -> dict[str, list[float]]:
    return vectors_of_a_batch(FOLDER, models)


@pytest.mark.parametrize("name", TEXTS)
def test_realtime_vector_is_the_batch_vector(
    server: PluginServer, batch_vectors: dict[str, list[float]], name: str
) -> None:
    reply = infer(server.url_of(load_plugin(FOLDER).spec), {"text": TEXTS[name]})
    served, stored = np.asarray(reply["embedding"]), np.asarray(batch_vectors[name])
    assert served.shape == (384,)
    assert served @ stored / (np.linalg.norm(served) * np.linalg.norm(stored)) > 0.9999


def test_sentiment_is_served_beside_the_vector(server: PluginServer) -> None:
    url = server.url_of(load_plugin(FOLDER).spec)
    assert infer(url, {"text": TEXTS["word"]})["sentiment"] == "neutral"
    assert infer(url, {"text": TEXTS["praise"]})["sentiment"] == "positive"
    assert infer(url, {"text": TEXTS["complaint"]})["sentiment"] == "negative"
