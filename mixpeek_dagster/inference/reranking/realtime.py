"""Scores of documents for a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import AliasChoices, Field

from mixpeek_dagster.inference.invalid import InvalidField, InvalidInput
from mixpeek_dagster.inference.realtime import (
    Admit,
    Fields,
    FileLimits,
    InferenceResult,
    RealtimeService,
    Text,
    Tokenizing,
)
from mixpeek_dagster.inference.reranking.reranker import Reranker
from mixpeek_dagster.inference.reranking.service import RerankingService
from mixpeek_dagster.inference.text.encoder import Tokens


class RerankingInputs(Fields):
    """A query, and what may answer it."""

    query: Text = Field(description="What is asked.")
    documents: list[Text] = Field(
        validation_alias=AliasChoices("documents", "passages", "texts"),
        description="What may answer it; may be called `passages` or `texts`, too.",
    )


class Reranking(RealtimeService[RerankingService]):
    """A query and documents to scores."""

    Inputs = RerankingInputs
    example = {
        "query": "how do I make coffee?",
        "documents": ["Grind the beans and pour hot water on them.", "The river rose overnight."],
    }
    replied = "`scores`, one for each document: the higher, the better it answers"

    def __init__(self, service: type[RerankingService], limits: FileLimits) -> None:
        super().__init__(service, limits)
        self._tokenizer = Tokenizing()
        self._reranker: Reranker

    def load(self) -> None:
        """Blocks until the weights are in memory; sets `budget` and `device`."""
        # The batch service wants a query in its config; here each request brings its own.
        service = self.service({"query": "any"})
        self._reranker = service.reranker
        self.budget = self._reranker.budget
        self.device = self._reranker.device

    def compute(self, group: Any, payloads: Sequence[Any]) -> Sequence[np.float32]:
        """Scores of token ids of pairs."""
        return list(self._reranker.score_pack(payloads))

    async def answer(self, inputs: RerankingInputs, parameters: Fields, admit: Admit) -> InferenceResult:
        """A score for each document."""
        with admit(len(inputs.documents)) as job:
            tokens = await self._tokenizer.run(self._tokenize, [inputs.query] * len(inputs.documents), inputs.documents)
            scores = await job.compute(tokens.ids, [len(ids) for ids in tokens.ids])
        found = np.asarray(scores, dtype=np.float32)
        if not np.isfinite(found).all():
            raise ArithmeticError("the model gave numbers that are not finite")
        return InferenceResult({"scores": found}, int(tokens.dropped.sum()))

    def reply_schema(self) -> dict[str, Any]:
        """The reply, in OpenAPI's words."""
        return {"type": "object", "properties": {"scores": {"type": "array", "items": {"type": "number"}}}}

    def _tokenize(self, queries: Sequence[str], documents: Sequence[str]) -> Tokens:
        """Token ids of the pairs; they have the same query.

        Raises:
            InvalidInput: the query is too long.
        """
        most = self._reranker.most_query_tokens
        for length in self._reranker.query_tokens(queries[:1]):
            if length > most:
                why = f"it has {length} tokens, and {most} leave room for a document"
                raise InvalidInput(InvalidField(("inputs", "query"), why))
        return self._reranker.tokenize(queries, documents)
