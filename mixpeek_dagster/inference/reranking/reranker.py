"""How well passages answer a query, by a model that reads both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixpeek_dagster.inference.devices import Device
from mixpeek_dagster.inference.text.encoder import PackedModel, Tokens, tokenize


@dataclass(frozen=True)
class Scored:
    """Scores of pairs.

    Args:
        scores: float32, one for each pair; the higher, the better the passage answers.
        dropped: how many tokens of each passage did not fit.
        unfit: positions of pairs that memory does not do for, even alone: their scores are not numbers.
    """

    scores: npt.NDArray[np.float32]
    dropped: npt.NDArray[np.int64]
    unfit: tuple[int, ...] = ()


class Reranker:
    """Scores pairs of a query and a passage with a cross-encoder.

    Args:
        model: of transformers, for sequence classification with one label, on the device.
        tokenizer: its tokenizer.
        device: where the model is.
        most_tokens: longest pair, in tokens; of a longer one the passage is cut, and what is cut is counted.
        sigmoid: whether scores go from 0 to 1; else they are the model's own numbers.
    """

    def __init__(
        self, model: Any, tokenizer: Any, device: Device, *, most_tokens: int = 1024, sigmoid: bool = True
    ) -> None:
        self.device = device
        self._packed = PackedModel(model, tokenizer.pad_token_id or 0, device)
        self._tokenizer = tokenizer
        self._most_tokens = most_tokens
        self._sigmoid = sigmoid
        self.most_query_tokens = most_tokens - tokenizer.num_special_tokens_to_add(pair=True) - 1
        """Longest query, in tokens: one that leaves room for one token of a passage."""

    def query_tokens(self, queries: Sequence[str]) -> list[int]:
        """Counted without the special tokens."""
        if not queries:
            return []
        return [len(ids) for ids in self._tokenizer(list(queries), add_special_tokens=False)["input_ids"]]

    def score(self, query: str, passages: Sequence[str]) -> Scored:
        """One score per passage, in order."""
        return self.score_pairs([query] * len(passages), passages)

    def score_pairs(self, queries: Sequence[str], passages: Sequence[str]) -> Scored:
        """Scores of each passage for the query beside it; no query may have more than `most_query_tokens`."""
        tokens = self.tokenize(queries, passages)
        found = self._packed.run(tokens.ids, self._head, 1)
        return Scored(found.values[:, 0], tokens.dropped, found.unfit)

    @property
    def budget(self) -> int:
        """Most tokens of a pack, padding included."""
        return self._packed.budget

    def tokenize(self, queries: Sequence[str], passages: Sequence[str]) -> Tokens:
        """Token ids of pairs. Not for several threads at a time: tokenizers are not made for it."""
        return tokenize(self._tokenizer, queries, self._most_tokens, pairs=passages)

    def score_pack(self, ids: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Scores of tokenised pairs that go through the model together, in the thread that calls.

        Raises:
            RuntimeError: memory does not do, see `devices.is_out_of_memory`.
        """
        return self._packed.forward(ids, self._head)[:, 0]

    def _head(self, output: Any, _mask: Any) -> Any:
        logits = output.logits.float()
        return logits.sigmoid() if self._sigmoid else logits
