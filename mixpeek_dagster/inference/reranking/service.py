"""Scores of a column of passages for a query, or for a column of queries."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.inference.packing import does_not_fit
from mixpeek_dagster.inference.reranking.reranker import Reranker
from mixpeek_dagster.inference.service import BatchService, ServiceConfig, column, text_of


class RerankerConfig(ServiceConfig):
    """Where queries and passages are."""

    query: str | None = Field(None, min_length=1, description="The query of all passages.")
    query_column: str | None = Field(None, description="Column that holds each passage's query, in place of `query`.")
    text_column: str = Field("data", description="Column that holds the passages.")
    output_column_name: str = Field("score", description="Column for the scores.")
    max_tokens: int = Field(1024, ge=16, le=8192, description="Longest query and passage together, in tokens.")
    sigmoid: bool = Field(True, description="Whether scores go from 0 to 1.")

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        if (self.query is None) == (self.query_column is None):
            raise ValueError("give either query or query_column")
        return self


class RerankingService(BatchService):
    """Score passages for queries.

    Passages that do not fit are cut, and counted on the step as `rows_truncated` and `tokens_truncated`. A query is
    never cut: one that leaves no room for a passage fails its rows.
    """

    Config = RerankerConfig
    config: RerankerConfig

    def _process_batch(self, batch: pd.DataFrame) -> pd.DataFrame:
        passages = column(batch, self.config.text_column, "text_column")
        queries = self._queries(batch)
        scores = np.full(len(batch), np.nan, dtype=np.float32)
        wanted = [position for position in range(len(batch)) if self._is_pair(position, queries, passages)]
        wanted = self._with_room(wanted, queries)
        if wanted:
            found = self.reranker.score_pairs(*([str(each[row]) for row in wanted] for each in (queries, passages)))
            scores[wanted] = found.scores
            for place in found.unfit:
                passage = str(passages[wanted[place]])
                self.fail_row(wanted[place], does_not_fit("the passage", f"{len(passage):,} characters"))
            if cut := int((found.dropped > 0).sum()):
                self.counters.update(rows_truncated=cut, tokens_truncated=int(found.dropped.sum()))
        return batch.assign(**{self.config.output_column_name: scores})

    @functools.cached_property
    def reranker(self) -> Reranker:
        """What scores, without columns.

        Raises:
            ModelNotFound: the model is not on this machine and cannot be fetched.
        """
        loaded, device = self.load()
        config = self.config
        return Reranker(loaded.model, loaded.tokenizer, device, most_tokens=config.max_tokens, sigmoid=config.sigmoid)

    def _queries(self, batch: pd.DataFrame) -> Sequence[object]:
        if self.config.query_column is None:
            return [self.config.query] * len(batch)
        return column(batch, self.config.query_column, "query_column")

    def _is_pair(self, position: int, queries: Sequence[object], passages: Sequence[object]) -> bool:
        try:
            text_of(queries[position], self.config.query_column or "query")
            text_of(passages[position], self.config.text_column)
        except InvalidRequest as error:
            self.fail_row(position, error)
            return False
        return True

    def _with_room(self, wanted: list[int], queries: Sequence[object]) -> list[int]:
        """The rows whose query leaves room for a passage; the others fail."""
        texts = {str(queries[position]) for position in wanted}
        lengths = dict(zip(texts, self.reranker.query_tokens(list(texts)) if texts else [], strict=True))
        most = self.reranker.most_query_tokens if texts else 0
        kept = []
        for position in wanted:
            length = lengths[str(queries[position])]
            if length <= most:
                kept.append(position)
                continue
            why = f"it has {length} tokens, and {most} leave room for a passage"
            self.fail_row(position, InvalidRequest("the query", why=why, fix="Shorten it, or raise max_tokens"))
        return kept
