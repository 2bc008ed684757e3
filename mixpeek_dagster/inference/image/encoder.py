"""Images to vectors, and texts to vectors of the same space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from mixpeek_dagster.errors import StepError
from mixpeek_dagster.inference.devices import Device, compute_each, no_gradients
from mixpeek_dagster.inference.image.decoding import Pixels, Preprocessing
from mixpeek_dagster.inference.packing import Rows, does_not_fit, in_halves
from mixpeek_dagster.inference.text.encoder import Computed, Encoded, Tokens, tokenize
from mixpeek_dagster.threads import Gate

if TYPE_CHECKING:
    from PIL.Image import Image

Key = TypeVar("Key")

_CPU_IMAGES = 4
_GPU_IMAGES = 128
"""Images that go through the model together: on a core, few, whose activations stay in its cache."""
_UNDER_WAY = 8
"""Groups of images that are decoded and not yet computed."""


class ImageEncoder:
    """Embeds images with a vision model.

    Args:
        model: of transformers, on the device: one with `get_image_features`, or one whose pooled output is the vector.
        processor: its image processor, or one that holds it and a tokenizer.
        device: where the model is.
        normalize: whether vectors have length 1.
    """

    def __init__(self, model: Any, processor: Any, device: Device, *, normalize: bool = True) -> None:
        self._model = model
        self._tokenizer: Any = getattr(processor, "tokenizer", None)
        self.device = device
        self._normalize = normalize
        self.preprocessing = Preprocessing.of(getattr(processor, "image_processor", processor))
        self.group = _GPU_IMAGES if device.is_cuda else _CPU_IMAGES
        """Images that go through the model together."""

    def encode_images(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        """Vectors of RGB images, of shape (images, dimension); none give shape (0, 0).

        Raises:
            OutOfMemory: memory does not do for one of them.
        """
        groups = (images[start : start + self.group] for start in range(0, len(images), self.group))
        pixels = ((None, np.stack([self.preprocessing.prepare(image) for image in group])) for group in groups)
        found = [computed for _, computed in self.encode_groups(pixels)]
        if any(computed.unfit for computed in found):
            raise does_not_fit("the image", self.size_told)
        return np.concatenate([computed.values for computed in found]) if found else np.zeros((0, 0), dtype=np.float32)

    def encode_groups(self, groups: Iterable[tuple[Key, Pixels]]) -> Iterator[tuple[Key, Computed]]:
        """Vectors of prepared images, group by group, side by side on all cores.

        Args:
            groups: a key, which comes back with the vectors, and pixels of shape (images, height, width, 3). They are
                taken as there is room, so that they may be decoded meanwhile and are not all in memory.
        """
        gate = Gate(_UNDER_WAY)

        def compute(group: tuple[Key, Pixels]) -> tuple[Key, Computed]:
            key, pixels = group
            with gate:
                parts = in_halves(lambda rows: self.encode_pack(pixels[rows]), np.arange(len(pixels)), self.device)
                return key, _gathered(list(parts), len(pixels))

        return iter(compute_each(compute, gate.through(groups), self.device))

    def encode_texts(self, texts: Sequence[str]) -> Encoded:
        """Vectors of texts of shape (texts, dimension), to be held against those of images.

        Raises:
            StepError: the model has no texts.
        """
        tokens = self.tokenize(texts)

        def forward(rows: Rows) -> npt.NDArray[np.float32]:
            return self.encode_text_pack([tokens.ids[row] for row in rows])

        rows = np.arange(len(texts))
        groups = [rows[start : start + self.group] for start in range(0, len(texts), self.group)]
        parts = [part for group in groups for part in in_halves(forward, group, self.device)]
        found = _gathered(parts, len(texts))
        return Encoded(found.values, tokens.dropped, found.unfit)

    @property
    def has_texts(self) -> bool:
        """Whether the model embeds texts, too."""
        return self._tokenizer is not None and hasattr(self._model, "get_text_features")

    @property
    def size_told(self) -> str:
        """How large a prepared image is, for an error."""
        return f"a side of {self.preprocessing.shorter_side} pixels"

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Token ids of texts. Not for several threads at a time: tokenizers are not made for it.

        Raises:
            StepError: the model has no texts.
        """
        if not self.has_texts:
            raise StepError(type(self._model).__name__, why="it embeds images only")
        return tokenize(self._tokenizer, texts, self._most_tokens)

    def encode_pack(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """Vectors of prepared images that go through the model together, in the thread that calls.

        Raises:
            RuntimeError: memory does not do, see `devices.is_out_of_memory`.
        """
        with no_gradients():
            values = self.preprocessing.to_tensor(pixels, self.device.name, self._model.dtype)
            features = getattr(self._model, "get_image_features", self._model)
            return self._vectors(features(pixel_values=values).pooler_output)

    def encode_text_pack(self, ids: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Vectors of tokenised texts that go through the model together, in the thread that calls.

        Raises:
            RuntimeError: memory does not do, see `devices.is_out_of_memory`.
        """
        import torch

        # The model was trained on texts padded to this length, and without a mask.
        padded = np.full((len(ids), self._most_tokens), self._tokenizer.pad_token_id, dtype=np.int64)
        for row, sequence in enumerate(ids):
            padded[row, : len(sequence)] = sequence
        with no_gradients():
            tokens = torch.from_numpy(padded).to(self.device.name)
            return self._vectors(self._model.get_text_features(input_ids=tokens).pooler_output)

    @property
    def _most_tokens(self) -> int:
        return int(self._model.config.text_config.max_position_embeddings)

    def _vectors(self, features: Any) -> npt.NDArray[np.float32]:
        import torch

        features = features.float()
        if self._normalize:
            features = torch.nn.functional.normalize(features, dim=-1)
        vectors: npt.NDArray[np.float32] = features.cpu().numpy()
        return vectors


def _gathered(parts: Sequence[tuple[Rows, npt.NDArray[np.float32] | None]], count: int) -> Computed:
    """Vectors in the order of their rows, out of parts that were computed apart."""
    width = next((vectors.shape[1] for _, vectors in parts if vectors is not None), 0)
    found = np.full((count, width), np.nan, dtype=np.float32)
    for rows, vectors in parts:
        if vectors is not None:
            found[rows] = vectors
    unfit = sorted(row for rows, vectors in parts if vectors is None for row in rows.tolist())
    return Computed(found, tuple(unfit))
