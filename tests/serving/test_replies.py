"""Which vectors a reply may hold."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpeek_dagster.plugins.spec import Distance, Feature, PluginSpec
from serving.http.reply import InvalidReply, encode_reply

ONE = PluginSpec(
    name="one_vector",
    version="1.0.0",
    description="",
    category="",
    features=(Feature("vector", 3, Distance.COSINE),),
    input_fields={},
    output_fields={},
    parameter_schema=None,
    supported_input_types=(),
    dependencies=(),
    feature_uri=None,
    position_fields=(),
    code_hash="",
    folder=Path("one_vector"),
    has_realtime=True,
)
TWO = replace(ONE, features=(Feature("small", 2, Distance.DOT), Feature("large", 3, Distance.COSINE)))


def encoded(reply: Any, spec: PluginSpec = ONE, **inputs: Any) -> dict[str, Any]:
    result: dict[str, Any] = orjson.loads(encode_reply(reply, spec, inputs))
    return result


@pytest.mark.parametrize("key", ["embedding", "vector"])
def test_vector_of_the_right_size_passes(key: str) -> None:
    assert encoded({key: [1, 0.5, 0]}) == {key: [1, 0.5, 0]}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([1.0, 2.0], "3 numbers needed, got 2 numbers"),
        ([[1.0, 2.0, 3.0]], "3 numbers needed, got 1 x 3"),
        ([], "3 numbers needed, got 0 numbers"),
        (None, "3 numbers needed, got a NoneType"),
        (1.5, "3 numbers needed, got one number"),
        (["1", "2", "3"], "3 numbers needed, got a list"),
        ([1.0, None, 2.0], "3 numbers needed, got a list"),
        ([True, False, True], "3 numbers needed, got a list"),
        ({"a": 1}, "3 numbers needed, got a dict"),
        ([[1.0], [1.0, 2.0]], "its rows differ in length"),
        ([1.0, math.nan, math.inf], "2 numbers are not finite"),
        ([0.0, 0.0, 0.0], "all numbers are zero"),
    ],
)
def test_wrong_vector_is_refused_with_feature_and_reason(value: Any, why: str) -> None:
    with pytest.raises(InvalidReply) as refused:
        encoded({"embedding": value})
    assert str(refused.value).endswith(why)
    assert "(feature 'vector')" in str(refused.value)
    assert refused.value.details["dimension"] == 3


def test_texts_may_get_one_vector_each() -> None:
    two = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert encoded({"embeddings": two, "vector": two}, texts=["a", "b"])["embeddings"] == two


def test_texts_and_vectors_must_be_equally_many() -> None:
    with pytest.raises(InvalidReply, match="2 x 3 needed, got 1 x 3"):
        encoded({"embeddings": [[1.0, 2.0, 3.0]]}, texts=["a", "b"])


def test_embeddings_must_have_rows() -> None:
    with pytest.raises(InvalidReply, match="got 2 x 2"):
        encoded({"embeddings": [[1.0, 2.0], [3.0, 4.0]]})


def test_embedding_means_the_first_feature() -> None:
    with pytest.raises(InvalidReply, match=r"feature 'small'.*2 numbers needed"):
        encoded({"embedding": [1.0, 2.0, 3.0]}, TWO)


def test_embedding_means_the_vector_index_that_was_asked_for() -> None:
    assert encoded({"embedding": [1.0, 2.0, 3.0]}, TWO, vector_index="large")["embedding"] == [1.0, 2.0, 3.0]


def test_each_named_vector_is_held_against_its_own_size() -> None:
    with pytest.raises(InvalidReply, match="'large': 3 numbers needed, got 2 numbers"):
        encoded({"small": [1.0, 2.0], "large": [1.0, 2.0]}, TWO)


def test_plugin_without_features_may_call_anything_embedding() -> None:
    assert encoded({"embedding": "none"}, replace(ONE, features=())) == {"embedding": "none"}


def test_tensor_becomes_a_list() -> None:
    torch = pytest.importorskip("torch")
    reply = {"embedding": torch.ones(3, dtype=torch.bfloat16), "scores": {"best": torch.tensor(0.5)}}
    assert encoded(reply) == {"embedding": [1.0, 1.0, 1.0], "scores": {"best": 0.5}}


def test_value_without_json_form_is_named() -> None:
    with pytest.raises(InvalidReply, match="not JSON"):
        encoded({"handle": object()})


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3).filter(any))
def test_float32_arrays_keep_their_values(numbers: list[float]) -> None:
    assert encoded({"vector": np.array(numbers, dtype=np.float32)})["vector"] == pytest.approx(numbers, rel=1e-6)
