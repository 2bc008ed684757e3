"""Embedding of texts, and of source code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from mixpeek_dagster.inference.realtime import (
    Admit,
    Fields,
    FileLimits,
    InferenceResult,
    RealtimeService,
    Text,
    Tokenizing,
    Vectors,
    embedded,
    embedding_schema,
    one_of,
)
from mixpeek_dagster.inference.text.encoder import TextEncoder
from mixpeek_dagster.inference.text.service import TextEmbeddingService


class TextInputs(Fields):
    """Exactly one of `text` and `texts`."""

    text: Text | None = Field(None, description="A text.")
    texts: list[Text] | None = Field(None, description="Texts, each of which gets a vector.")
    vector_index: str | None = Field(None, description="Taken and not needed: the model has one kind of vector.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        one_of(self, "text", "texts")
        return self


class TextParameters(Fields):
    input_type: Literal["document", "query"] = Field("document", description="Which prefix the texts get.")
    instruction: str | None = Field(None, description="Task in a query's prefix; none = the model's own.")


class TextEmbedding(RealtimeService[TextEmbeddingService]):
    """A vector for each text; texts of requests that come together are computed together."""

    Inputs = TextInputs
    Parameters = TextParameters
    example = {"text": "hello world"}
    replied = "`embedding` for `text`, `embeddings` for `texts`"

    def __init__(self, service: type[TextEmbeddingService], limits: FileLimits) -> None:
        super().__init__(service, limits)
        self._tokenizer = Tokenizing()
        self._encoder: TextEncoder

    def load(self) -> None:
        """Blocks until the weights are in memory; sets `budget` and `device`."""
        service = self.service()
        self._encoder = service.encoder
        self.prefix = service.prefix
        self.budget = self._encoder.budget
        self.device = self._encoder.device

    def compute(self, group: Any, payloads: Sequence[Any]) -> Sequence[Vectors]:
        """Vectors of token ids."""
        return list(self._encoder.encode_pack(payloads))

    async def answer(self, inputs: TextInputs, parameters: TextParameters, admit: Admit) -> InferenceResult:
        """Tokens over the model's length are dropped, and counted in the result."""
        prefix = self.prefix(parameters.input_type, parameters.instruction)
        given = [inputs.text] if inputs.text is not None else inputs.texts or []
        texts = [prefix + text for text in given]
        with admit(len(texts)) as job:
            tokens = await self._tokenizer.run(self._encoder.tokenize, texts)
            vectors = await job.compute(tokens.ids, [len(ids) for ids in tokens.ids])
        return InferenceResult(embedded(vectors, inputs.texts is not None), int(tokens.dropped.sum()))

    def reply_schema(self) -> dict[str, Any]:
        """The reply, in OpenAPI's words."""
        return embedding_schema(self.model.dimension)
