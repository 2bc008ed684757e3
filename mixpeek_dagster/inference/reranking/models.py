"""The rerankers that are built in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixpeek_dagster.inference.realtime import RealtimeService
from mixpeek_dagster.inference.reranking.realtime import Reranking
from mixpeek_dagster.inference.reranking.service import RerankingService
from mixpeek_dagster.inference.service import BatchService, ServedModel


class BgeRerankerV2M3(RerankingService):
    """Score passages for queries with BAAI/bge-reranker-v2-m3.

    Passages that do not fit are cut, and counted on the step as `rows_truncated` and `tokens_truncated`. A query is
    never cut: one that leaves no room for a passage fails its rows.
    """

    model = ServedModel("BAAI/bge-reranker-v2-m3", "reranker", "AutoModelForSequenceClassification")


BUILT_IN: Mapping[type[BatchService], type[RealtimeService[Any]]] = {
    BgeRerankerV2M3: Reranking,
}
"""How each is used in batches, and in requests."""
