"""Texts to vectors: tokenised once, packed by length, pooled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from mixpeek_dagster.inference.devices import Device, compute_each, no_gradients
from mixpeek_dagster.inference.packing import Rows, in_halves, pack_by_length

_CPU_TOKENS = 512
_GPU_TOKENS = 32_768
"""Tokens of a pack: on a core what its cache holds the activations of, on a GPU what keeps it busy."""


class Pooling(StrEnum):
    """How the vectors of a text's tokens become one."""

    MEAN = "mean"
    CLS = "cls"


@dataclass(frozen=True)
class Tokens:
    """Tokenised texts.

    Args:
        ids: token ids of each text, special tokens included.
        dropped: how many tokens of each text did not fit.
    """

    ids: list[list[int]]
    dropped: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Encoded:
    """Vectors of texts.

    Args:
        vectors: float32, a row for each text.
        dropped: how many tokens of each text did not fit.
        unfit: positions of texts that memory does not do for, even alone: their numbers are not to be used.
    """

    vectors: npt.NDArray[np.float32]
    dropped: npt.NDArray[np.int64]
    unfit: tuple[int, ...] = ()


@dataclass(frozen=True)
class Computed:
    """What a model gives for sequences.

    Args:
        values: float32, a row for each sequence.
        unfit: positions of sequences that memory does not do for, even alone: their rows are not numbers.
    """

    values: npt.NDArray[np.float32]
    unfit: tuple[int, ...]


def tokenize(tokenizer: Any, texts: Sequence[str], most: int, pairs: Sequence[str] | None = None) -> Tokens:
    """Token ids of texts, or of pairs of texts, of which the second is cut.

    Args:
        tokenizer: of transformers, a fast one.
        texts: what to tokenise.
        most: most tokens of a text, special ones included.
        pairs: second text of each pair.
    """
    if not texts:
        return Tokens([], np.zeros(0, dtype=np.int64))
    options = {"truncation": "only_second" if pairs is not None else True, "max_length": most}
    second = {} if pairs is None else {"text_pair": list(pairs)}
    found = tokenizer(list(texts), **second, **options, return_attention_mask=False, return_token_type_ids=False)
    dropped = [
        sum(part.special_tokens_mask.count(0) - overlap for part in whole.overflowing)
        for whole, overlap in zip(found.encodings, _first_lengths(found.encodings, pairs), strict=True)
    ]
    return Tokens(found["input_ids"], np.asarray(dropped, dtype=np.int64))


def _first_lengths(encodings: Sequence[Any], pairs: Sequence[str] | None) -> list[int]:
    """Tokens of each pair's first text, which each of its overflowing parts repeats."""
    if pairs is None:
        return [0] * len(encodings)
    return [sum(1 for sequence in whole.sequence_ids if sequence == 0) for whole in encodings]


class PackedModel:
    """A transformers encoder that is run on packs of sequences.

    Args:
        model: takes `input_ids` and `attention_mask`.
        pad: id of the padding token.
        device: where the model is.
        budget: most tokens of a pack; None takes what suits the device.
    """

    def __init__(self, model: Any, pad: int, device: Device, budget: int | None = None) -> None:
        self._model = model
        self._pad = pad
        self._device = device
        self.budget = budget or (_GPU_TOKENS if device.is_cuda else _CPU_TOKENS)
        """Most tokens of a pack, padding included."""

    def run(self, ids: Sequence[Sequence[int]], head: Callable[[Any, Any], Any], width: int) -> Computed:
        """One row of numbers, float32, for each sequence.

        Args:
            ids: token ids of each sequence.
            head: from the model's output and the attention mask to a tensor with a row for each sequence.
            width: numbers in a row.
        """
        lengths = [len(sequence) for sequence in ids]
        found = np.full((len(ids), width), np.nan, dtype=np.float32)
        unfit: list[int] = []

        def forward(rows: Rows) -> npt.NDArray[np.float32]:
            return self.forward([ids[row] for row in rows], head)

        def compute(rows: Rows) -> None:
            for part, values in in_halves(forward, rows, self._device):
                if values is None:
                    unfit.extend(part.tolist())
                else:
                    found[part] = values

        for _ in compute_each(compute, pack_by_length(lengths, self.budget), self._device):
            pass
        return Computed(found, tuple(sorted(unfit)))

    def forward(self, ids: Sequence[Sequence[int]], head: Callable[[Any, Any], Any]) -> npt.NDArray[np.float32]:
        """One row of numbers for each sequence of a single pack, computed by the thread that calls.

        Args:
            ids: token ids of each sequence, at least one.
            head: as in `run`.
        """
        import torch

        longest = max(map(len, ids))
        padded = np.full((len(ids), longest), self._pad, dtype=np.int64)
        mask = np.zeros((len(ids), longest), dtype=np.int64)
        for row, sequence in enumerate(ids):
            padded[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        with no_gradients():
            tokens = torch.from_numpy(padded).to(self._device.name, non_blocking=True)
            attention = torch.from_numpy(mask).to(self._device.name, non_blocking=True)
            output = self._model(input_ids=tokens, attention_mask=attention)
            values: npt.NDArray[np.float32] = head(output, attention).float().cpu().numpy()
        return values


class TextEncoder:
    """Embeds texts with an encoder model.

    Args:
        model: of transformers, on the device.
        tokenizer: its tokenizer.
        device: where the model is.
        pooling: how a text's token vectors become one.
        most_tokens: longest text, in tokens; what is beyond is dropped and counted.
        normalize: whether vectors have length 1.
    """

    def __init__(
        self, model: Any, tokenizer: Any, device: Device, *, pooling: Pooling, most_tokens: int, normalize: bool = True
    ) -> None:
        self.device = device
        self._packed = PackedModel(model, tokenizer.pad_token_id or 0, device)
        self._tokenizer = tokenizer
        self._pooling = pooling
        self._most_tokens = most_tokens
        self._normalize = normalize
        self.dimension: int = model.config.hidden_size

    @property
    def budget(self) -> int:
        """Most tokens of a pack, padding included."""
        return self._packed.budget

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Vectors of shape (texts, dimension)."""
        tokens = self.tokenize(texts)
        found = self._packed.run(tokens.ids, self._pool, self.dimension)
        return Encoded(found.values, tokens.dropped, found.unfit)

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Token ids of texts. Not for several threads at a time: tokenizers are not made for it."""
        return tokenize(self._tokenizer, texts, self._most_tokens)

    def encode_pack(self, ids: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Vectors of tokenised texts that go through the model together, in the thread that calls.

        Raises:
            RuntimeError: memory does not do, see `devices.is_out_of_memory`.
        """
        return self._packed.forward(ids, self._pool)

    def _pool(self, output: Any, mask: Any) -> Any:
        import torch

        states = output.last_hidden_state.float()
        if self._pooling is Pooling.CLS:
            vectors = states[:, 0]
        else:
            weights = mask.unsqueeze(-1).to(states.dtype)
            vectors = (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
        return torch.nn.functional.normalize(vectors, dim=-1) if self._normalize else vectors
