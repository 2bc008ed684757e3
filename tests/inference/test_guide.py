"""The guide's code about models, run as it stands on tiny models of the same ids."""

from __future__ import annotations

from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest

from mixpeek_dagster.plugins import pipeline
from tests import guide

pytestmark = guide.needs_guide

TEXTS = ["rain over the sea", "a tall tree"]


def vectors_of(batch: pd.DataFrame) -> np.ndarray:
    return np.stack(batch["embedding"].tolist())


def test_its_pipeline_of_a_built_in_service_runs() -> None:
    names = ("PipelineDefinition", "ResourceType", "StepDefinition", "build_pipeline_steps")
    space = guide.run("services/batch", **{name: getattr(pipeline, name) for name in names})
    (step,) = space["build_steps"](MagicMock())["steps"]
    processor = step.build() if hasattr(step, "build") else step
    vectors = vectors_of(processor(pd.DataFrame({"text": TEXTS})))
    assert vectors.shape == (2, 1024)
    assert vectors.dtype == np.float32


def test_both_of_its_lazy_ways_load_the_model_and_agree() -> None:
    mixed = guide.run("models/mixin")["MyEmbedder"]({})(pd.DataFrame({"text": TEXTS}))
    quick = guide.run("models/decorator")["MyProcessor"]({})(pd.DataFrame({"text": TEXTS}))
    assert vectors_of(mixed).shape == (2, 1024)
    # The first asks for float16, the second for the checkpoint's own numbers.
    assert np.allclose(vectors_of(mixed), vectors_of(quick), atol=0.05)


def test_its_model_from_a_config_fails_where_the_check_of_plugins_says() -> None:
    processor = guide.run("models/load_hf_model")["MyProcessor"]({})
    with pytest.raises(AttributeError, match="from_dict"):
        processor._ensure_model_loaded()
