"""The quickstart's plugin: realtime and batch give the same vector for the same text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import plugin_repo
from mixpeek_dagster.models.packaged import use_cache
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.request import ExtractorRequest
from serving.client import infer
from serving.process import InferenceServer

FOLDER = Path(plugin_repo.__path__[0]) / "examples" / "my_extractor"
TEXTS = {
    "empty": "",
    "word": "coffee",
    "sentence": "The pipeline completed, but zero documents were written to the database.",
    "umlauts": "Füße, naïve café, 数据库, 🙂",
    "long": "Permission is hereby granted, free of charge, to any person obtaining a copy of this software. " * 200,
}


@pytest.fixture(scope="module")
def batch_vectors(models: Path) -> dict[str, list[float]]:
    use_cache(models)
    plugin = load_plugin(FOLDER)
    (step,) = plugin.build_steps(ExtractorRequest.of(parameters={})).steps
    frame = step.build()(pd.DataFrame({"text": list(TEXTS.values())}))
    assert isinstance(frame, pd.DataFrame)
    return dict(zip(TEXTS, frame["my_embedding"], strict=True))


@pytest.mark.parametrize("name", TEXTS)
def test_realtime_vector_is_the_batch_vector(
    server: InferenceServer, batch_vectors: dict[str, list[float]], name: str
) -> None:
    reply = infer(server.url_of(load_plugin(FOLDER).spec), {"text": TEXTS[name]})
    served, stored = np.asarray(reply["embedding"]), np.asarray(batch_vectors[name])
    assert served.shape == (384,)
    assert served @ stored / (np.linalg.norm(served) * np.linalg.norm(stored)) > 0.9999


def test_sentiment_is_served_beside_the_vector(server: InferenceServer) -> None:
    url = server.url_of(load_plugin(FOLDER).spec)
    assert infer(url, {"text": TEXTS["word"]})["sentiment"] == "neutral"
    assert infer(url, {"text": TEXTS["sentence"]})["sentiment"] == "positive"
