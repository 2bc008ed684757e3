"""Embedding of a text column."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from mixpeek_dagster.errors import InvalidRequest, OutOfMemory
from mixpeek_dagster.inference.packing import does_not_fit
from mixpeek_dagster.inference.service import BatchService, ServiceConfig, column, text_of
from mixpeek_dagster.inference.text.encoder import Encoded, Pooling, TextEncoder


class TextEmbeddingConfig(ServiceConfig):
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
            encoded = self._encode([texts[position] for position in wanted])
            for position, vector in zip(wanted, encoded.vectors, strict=True):
                cells[position] = vector
            for place in encoded.unfit:
                cells[wanted[place]] = None
                self.fail_row(wanted[place], _unfit(texts[wanted[place]]))
        return batch.assign(**{self.config.output_column_name: cells})

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors of texts, with the prefix that they need; what is cut is counted.

        Returns:
            float32 of shape (texts, dimension).

        Raises:
            ModelNotFound: the model is not on this machine and cannot be fetched.
            OutOfMemory: memory does not do for one of them.
        """
        encoded = self._encode(texts)
        if encoded.unfit:
            raise _unfit(texts[encoded.unfit[0]])
        return encoded.vectors

    def _encode(self, texts: Sequence[str]) -> Encoded:
        prefix = self.prefix(self.config.input_type, self.config.instruction)
        encoded = self.encoder.encode([prefix + text for text in texts] if prefix else texts)
        if cut := int((encoded.dropped > 0).sum()):
            self.counters.update(rows_truncated=cut, tokens_truncated=int(encoded.dropped.sum()))
        return encoded

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

    @classmethod
    def prefix(cls, input_type: Literal["document", "query"], instruction: str | None) -> str:
        """What is put before a text, as in `TextEmbeddingConfig`."""
        if input_type == "query":
            return cls.query_prefix.format(instruction=instruction or cls.instruction)
        return cls.document_prefix

    def _is_text(self, position: int, cell: object) -> bool:
        """Whether a cell can be embedded; one that cannot fails its row."""
        try:
            text_of(cell, self.config.text_column)
        except InvalidRequest as error:
            self.fail_row(position, error)
            return False
        return True


def _unfit(text: str) -> OutOfMemory:
    return does_not_fit("the text", f"{len(text):,} characters")
