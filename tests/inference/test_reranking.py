"""Reranking: scores of pairs, what is cut, and what fails a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.inference.devices import Device
from mixpeek_dagster.inference.reranking.models import BgeRerankerV2M3
from mixpeek_dagster.inference.reranking.reranker import Reranker
from mixpeek_dagster.inference.reranking.service import RerankerConfig
from mixpeek_dagster.models.loading import LoadedModel, ModelRequest, load_model

QUERY = "how do I make coffee?"
PASSAGES = ["grind the beans for an espresso", "rain over the sea", "documents were written to the database " * 12]


def loaded() -> LoadedModel:
    wanted = ModelRequest("BAAI/bge-reranker-v2-m3", "AutoModelForSequenceClassification", "AutoTokenizer", "float32")
    return load_model(wanted)


def reranker(**options: Any) -> Reranker:
    return Reranker(loaded().model, loaded().tokenizer, Device("cpu", "float32"), **options)


def test_scores_are_those_of_the_model_pair_by_pair() -> None:
    model, tokenizer = loaded().model, loaded().tokenizer
    for passage, score in zip(PASSAGES, reranker(sigmoid=False).score(QUERY, PASSAGES).scores, strict=True):
        tokens = tokenizer(QUERY, passage, return_tensors="pt")
        with torch.inference_mode():
            theirs = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits
        assert score == pytest.approx(float(theirs), abs=1e-5)


def test_a_sigmoid_keeps_the_order() -> None:
    raw, bounded = reranker(sigmoid=False).score(QUERY, PASSAGES), reranker().score(QUERY, PASSAGES)
    assert np.allclose(bounded.scores, 1 / (1 + np.exp(-raw.scores)), atol=1e-6)
    assert bounded.scores.dtype == np.float32


def test_only_the_passage_is_cut_and_what_is_cut_is_counted() -> None:
    tokenizer = loaded().tokenizer
    most = 40
    scored = reranker(most_tokens=most).score(QUERY, PASSAGES)
    whole = [len(tokenizer(QUERY, passage)["input_ids"]) for passage in PASSAGES]
    assert scored.dropped.tolist() == [max(length - most, 0) for length in whole]
    assert scored.dropped[2] > 0
    kept = tokenizer(QUERY, PASSAGES[2], truncation="only_second", max_length=most)["input_ids"]
    with torch.inference_mode():
        theirs = loaded().model(input_ids=torch.tensor([kept])).logits.sigmoid()
    assert scored.scores[2] == pytest.approx(float(theirs), abs=1e-5)


def test_no_passages_have_no_scores() -> None:
    assert reranker().score(QUERY, []).scores.shape == (0,)


def test_rows_of_a_column_of_queries() -> None:
    service = BgeRerankerV2M3(RerankerConfig(query_column="query", text_column="text", max_tokens=64))
    frame = pd.DataFrame(
        {
            "query": [QUERY, "rain", None, "a very long query " * 80, QUERY],
            "text": [PASSAGES[0], PASSAGES[2], PASSAGES[0], PASSAGES[0], "  "],
        }
    )
    scores = service(frame)["score"]
    errors = {place: str(error) for place, error in service.row_errors.items()}
    assert scores.notna().tolist() == [True, True, False, False, False]
    assert scores.dtype == np.float32
    assert "'query': it is missing" in errors[2]
    assert "leave room for a passage" in errors[3]
    assert "'text': it holds no text" in errors[4]
    assert service.counters["rows_truncated"] == 1
    alone = BgeRerankerV2M3({"query": QUERY, "text_column": "text", "max_tokens": 64})
    assert alone(frame.iloc[:1])["score"][0] == pytest.approx(scores[0], abs=1e-6)


@pytest.mark.parametrize("config", [{}, {"query": "a", "query_column": "b"}])
def test_a_query_is_given_in_one_way(config: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest, match="either query or query_column"):
        BgeRerankerV2M3(config)
