"""The guide's own quickstart, served: realtime and batch give the same vector for the same text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixpeek_dagster.operations.endpoint_client import infer
from tests import guide
from tests.serving.test_quickstart import TEXTS, vectors_of_a_batch

pytestmark = guide.needs_guide


@pytest.fixture(scope="module")
def batch_vectors(models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    folder = guide.write_plugin("my_extractor", tmp_path_factory.mktemp("guide") / "my_extractor")
    return vectors_of_a_batch(folder, models)


@pytest.mark.parametrize("name", TEXTS)
def test_realtime_vector_is_the_batch_vector(server: Any, batch_vectors: dict[str, list[float]], name: str) -> None:
    reply = infer(f"{server.url}/guide_extractor/1_0_0", {"text": TEXTS[name]})
    served, stored = np.asarray(reply["embedding"]), np.asarray(batch_vectors[name])
    assert served.shape == (384,)
    assert served @ stored / (np.linalg.norm(served) * np.linalg.norm(stored)) > 0.9999


def test_sentiment_is_served_beside_the_vector(server: Any) -> None:
    url = f"{server.url}/guide_extractor/1_0_0"
    assert infer(url, {"text": TEXTS["word"]})["sentiment"] == "neutral"
    assert infer(url, {"text": TEXTS["sentence"]})["sentiment"] == "positive"
