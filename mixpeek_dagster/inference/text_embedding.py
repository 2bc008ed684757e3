"""Embedding of a text column."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.inference.service import BatchService, ServiceConfig, column, text_of
from mixpeek_dagster.inference.text_encoder import Pooling, TextEncoder


class TextEmbeddingConfig(ServiceConfig):
    """Where the texts are and how they are embedded."""

    text_column: str = Field("data", description="Column that holds the texts.")
    output_column_name: str = Field("embedding", description="Column for the vectors: the feature's name.")
    input_type: Literal["document", "query"] = Field("document", description="Which prefix the texts get.")
    instruction: str | None = Field(None, description="Task in a query's prefix; none = the model's own.")
    max_tokens: int | None = Field(None, ge=8, description="Longest text in tokens; none = the model's own.")
    normalize: bool = Field(True, description="Whether vectors have length 1.")


class TextEmbeddingService(BatchService):
    """Embed a text column.

    Cells that are missing or blank get no vector, so that their rows fail and say so. Tokens that do not fit are
    dropped, and counted on the step as `rows_truncated` and `tokens_truncated`.
    """

    Config = TextEmbeddingConfig
    config: TextEmbeddingConfig
    pooling: ClassVar[Pooling] = Pooling.MEAN
    most_tokens: ClassVar[int] = 512
    query_prefix: ClassVar[str] = ""
    """Put before a query; `{instruction}` in it is the task."""
    document_prefix: ClassVar[str] = ""
    instruction: ClassVar[str] = ""

    def _process_batch(self, batch: pd.DataFrame) -> pd.DataFrame:
        texts = column(batch, self.config.text_column, "text_column")
        wanted = [position for position, text in enumerate(texts) if self._is_text(position, text)]
        cells = np.empty(len(batch), dtype=object)
        if wanted:
            vectors = self.embed([texts[position] for position in wanted])
            for position, vector in zip(wanted, vectors, strict=True):
                cells[position] = vector
        return batch.assign(**{self.config.output_column_name: cells})

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors of texts, with the prefix that they need; what is cut is counted.

        Returns:
            float32 of shape (texts, dimension).

        Raises:
            ModelNotFound: the model is not on this machine and cannot be fetched.
        """
        prefix = self._prefix()
        encoded = self.encoder.encode([prefix + text for text in texts] if prefix else texts)
        if cut := int((encoded.dropped > 0).sum()):
            self.counters.update(rows_truncated=cut, tokens_truncated=int(encoded.dropped.sum()))
        return encoded.vectors

    @functools.cached_property
    def encoder(self) -> TextEncoder:
        """What embeds, without columns or prefixes.

        Raises:
            ModelNotFound: the model is not on this machine and cannot be fetched.
        """
        loaded, device = self.load()
        config = self.config
        return TextEncoder(
            loaded.model,
            loaded.tokenizer,
            device,
            pooling=self.pooling,
            most_tokens=min(config.max_tokens or self.most_tokens, self.most_tokens),
            normalize=config.normalize,
        )

    def _prefix(self) -> str:
        if self.config.input_type == "query":
            return self.query_prefix.format(instruction=self.config.instruction or self.instruction)
        return self.document_prefix

    def _is_text(self, position: int, cell: object) -> bool:
        """Whether a cell can be embedded; one that cannot fails its row."""
        try:
            text_of(cell, self.config.text_column)
        except InvalidRequest as error:
            self.fail_row(position, error)
            return False
        return True
