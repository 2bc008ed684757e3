"""BERT with attention biased by distance (ALiBi) and a gated MLP: the network of jina-embeddings-v2-base-code.

Its parameters are named as in the published checkpoint. The code beside that checkpoint is not run.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

_ARCHITECTURE = {"position_embedding_type": "alibi", "feed_forward_type": "geglu", "hidden_act": "gelu"}
_UNUSED = ("pooler.", "cls.", "embeddings.position_ids")
"""Parameters of a checkpoint that embeddings do not need: what it was trained with."""
_SCORES = 2**24
"""Attention scores that are held at a time: long texts are attended to in parts."""


@dataclass(frozen=True)
class Sizes:
    """The numbers of a checkpoint's config that shape the network."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    type_vocab_size: int
    layer_norm_eps: float

    @classmethod
    def read(cls, path: Path) -> Sizes:
        """The sizes in a config.json.

        Raises:
            ValueError: it is of another architecture, or lacks a number.
        """
        config = json.loads(path.read_text(encoding="utf-8"))
        for name, value in _ARCHITECTURE.items():
            if config.get(name) != value:
                raise ValueError(f"{path.name} has {name} {config.get(name)!r}, not {value!r}")
        try:
            return cls(**{name: config[name] for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise ValueError(f"{path.name} has no {error}") from None


def slopes(heads: int) -> Tensor:
    """How strongly each head minds distance: shape (heads,).

    For a power of two, a geometric sequence that starts at its own ratio, 2^(-8/heads). For other numbers, that of the
    next smaller power of two, and every other one of twice as many heads (Press et al. 2022, and their code).
    """
    closest = 2 ** math.floor(math.log2(heads))

    def powers(count: int) -> list[float]:
        return [2 ** (-8 * (index + 1) / count) for index in range(count)]

    return torch.tensor(powers(closest) + powers(2 * closest)[0::2][: heads - closest])


class Attention(nn.Module):
    """Self-attention; queries and keys are normalised over all heads after their projections."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.hidden_size
        self.heads = sizes.num_attention_heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.layer_norm_q = nn.LayerNorm(width, eps=sizes.layer_norm_eps)
        self.layer_norm_k = nn.LayerNorm(width, eps=sizes.layer_norm_eps)

    def forward(self, states: Tensor, slope: Tensor, mask: Tensor | None) -> Tensor:
        """States, (texts, tokens, width), attended to.

        Args:
            states: of all tokens.
            slope: shape (heads,).
            mask: 0 for a token and minus infinity for padding, (texts, 1, 1, tokens); None if nothing is padded.
        """
        queries = self._by_head(self.layer_norm_q(self.query(states)))
        keys = self._by_head(self.layer_norm_k(self.key(states)))
        values = self._by_head(self.value(states))
        texts, tokens, width = states.shape
        rows = max(_SCORES // (texts * self.heads * tokens), 1)
        parts = [
            functional.scaled_dot_product_attention(
                queries[:, :, start : start + rows],
                keys,
                values,
                attn_mask=distance_bias(slope, start, min(start + rows, tokens), tokens, mask),
            )
            for start in range(0, tokens, rows)
        ]
        return torch.cat(parts, dim=2).transpose(1, 2).reshape(texts, tokens, width)

    def _by_head(self, states: Tensor) -> Tensor:
        return states.view(*states.shape[:-1], self.heads, -1).transpose(1, 2)


def distance_bias(slope: Tensor, start: int, end: int, tokens: int, mask: Tensor | None) -> Tensor:
    """What is added to the scores of the queries from `start` to `end`: (1 or texts, heads, end - start, tokens)."""
    places = torch.arange(tokens, device=slope.device)
    distance = (places[start:end, None] - places[None, :]).abs()
    bias = (-slope.float()[None, :, None, None] * distance).to(slope.dtype)
    return bias if mask is None else bias + mask


class AttentionOutput(nn.Module):
    """What follows attention, with a residual of its own."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.dense = nn.Linear(sizes.hidden_size, sizes.hidden_size)
        self.LayerNorm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)

    def forward(self, attended: Tensor, states: Tensor) -> Tensor:
        """The projection, added to the states and normalised."""
        normed: Tensor = self.LayerNorm(self.dense(attended) + states)
        return normed


class Gated(nn.Module):
    """An MLP of which one half gates the other."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.up_gated_layer = nn.Linear(sizes.hidden_size, 2 * sizes.intermediate_size, bias=False)
        self.down_layer = nn.Linear(sizes.intermediate_size, sizes.hidden_size)

    def forward(self, states: Tensor) -> Tensor:
        """The states, up, gated, and down again."""
        up, gate = self.up_gated_layer(states).chunk(2, dim=-1)
        down: Tensor = self.down_layer(up * functional.gelu(gate))
        return down


class Layer(nn.Module):
    """One layer: attention and MLP, each followed by a norm over the sum with what went in."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": Attention(sizes), "output": AttentionOutput(sizes)})
        self.layer_norm_1 = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)
        self.layer_norm_2 = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)
        self.mlp = Gated(sizes)

    def forward(self, states: Tensor, slope: Tensor, mask: Tensor | None) -> Tensor:
        """`states` and the result: batch x tokens x width."""
        attended = self.attention["output"](self.attention["self"](states, slope, mask), states)
        states = self.layer_norm_1(states + attended)
        following: Tensor = self.layer_norm_2(states + self.mlp(states))
        return following


class Embeddings(nn.Module):
    """Vectors of tokens. There are none of positions: distance is in the attention."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(sizes.vocab_size, sizes.hidden_size)
        self.token_type_embeddings = nn.Embedding(sizes.type_vocab_size, sizes.hidden_size)
        self.LayerNorm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)

    def forward(self, ids: Tensor) -> Tensor:
        """Of shape (texts, tokens, width)."""
        normed: Tensor = self.LayerNorm(self.word_embeddings(ids) + self.token_type_embeddings.weight[0])
        return normed


class AlibiBert(nn.Module):
    """The encoder; called like one of transformers.

    Args:
        sizes: of the checkpoint.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.config = SimpleNamespace(**{name: getattr(sizes, name) for name in sizes.__dataclass_fields__})
        self.embeddings = Embeddings(sizes)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(sizes) for _ in range(sizes.num_hidden_layers))})

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """`last_hidden_state` of shape (texts, tokens, width)."""
        states = self.embeddings(input_ids)
        slope = slopes(self.config.num_attention_heads).to(states)
        mask = None
        if not bool(attention_mask.all()):
            mask = torch.zeros_like(attention_mask, dtype=states.dtype)
            mask = mask.masked_fill(attention_mask == 0, -math.inf)[:, None, None, :]
        layers: Any = self.encoder["layer"]
        for layer in layers:
            states = layer(states, slope, mask)
        return SimpleNamespace(last_hidden_state=states)

    @classmethod
    def from_pretrained(cls, folder: str | Path, dtype: torch.dtype | None = None) -> Self:
        """The encoder with the weights of a checkpoint: every one of its own, and none that is not known.

        Raises:
            OSError: a file is missing.
            ValueError: the checkpoint is of another architecture.
            RuntimeError: a weight is missing, unknown, or of another shape.
        """
        folder = Path(folder)
        with torch.device("meta"):
            model = cls(Sizes.read(folder / "config.json"))
        weights = {name.removeprefix("bert."): value for name, value in _weights(folder).items()}
        wanted = {name: value for name, value in weights.items() if not name.startswith(_UNUSED)}
        model.load_state_dict(wanted, strict=True, assign=True)
        return model.to(dtype) if dtype is not None else model


def _weights(folder: Path) -> dict[str, Any]:
    path = folder / "model.safetensors"
    if path.is_file():
        from safetensors.torch import load_file

        return dict(load_file(path))
    return dict(torch.load(folder / "pytorch_model.bin", map_location="cpu", weights_only=True, mmap=True))
