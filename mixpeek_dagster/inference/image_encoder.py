"""Images to vectors, and texts to vectors of the same space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from mixpeek_dagster.errors import StepError
from mixpeek_dagster.inference.ahead import Gate
from mixpeek_dagster.inference.devices import Device, compute_each, no_gradients
from mixpeek_dagster.inference.images import Pixels, Preprocessing
from mixpeek_dagster.inference.packing import Rows, in_halves
from mixpeek_dagster.inference.text_encoder import Encoded, tokenize

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
        self._tokenizer = getattr(processor, "tokenizer", None)
        self._device = device
        self._normalize = normalize
        self.preprocessing = Preprocessing.of(getattr(processor, "image_processor", processor))
        self.group = _GPU_IMAGES if device.is_cuda else _CPU_IMAGES
        """Images that go through the model together."""

    def encode_images(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        """Vectors of RGB images, of shape (images, dimension); none give shape (0, 0)."""
        groups = (images[start : start + self.group] for start in range(0, len(images), self.group))
        pixels = ((None, np.stack([self.preprocessing.prepare(image) for image in group])) for group in groups)
        found = [vectors for _, vectors in self.encode_groups(pixels)]
        return np.concatenate(found) if found else np.zeros((0, 0), dtype=np.float32)

    def encode_groups(self, groups: Iterable[tuple[Key, Pixels]]) -> Iterator[tuple[Key, npt.NDArray[np.float32]]]:
        """Vectors of prepared images, group by group, side by side on all cores.

        Args:
            groups: a key, which comes back with the vectors, and pixels of shape (images, height, width, 3). They are
                taken as there is room, so that they may be decoded meanwhile and are not all in memory.
        """
        gate = Gate(_UNDER_WAY)

        def compute(group: tuple[Key, Pixels]) -> tuple[Key, npt.NDArray[np.float32]]:
            key, pixels = group
            with gate:
                return key, self._embed(pixels)

        return iter(compute_each(compute, gate.through(groups), self._device))

    def encode_texts(self, texts: Sequence[str]) -> Encoded:
        """Vectors of texts of shape (texts, dimension), to be held against those of images.

        Raises:
            StepError: the model has no texts.
        """
        import torch

        if self._tokenizer is None or not hasattr(self._model, "get_text_features"):
            raise StepError(type(self._model).__name__, why="it embeds images only")
        most = int(self._model.config.text_config.max_position_embeddings)
        tokens = tokenize(self._tokenizer, texts, most)
        # The model was trained on texts padded to this length, and without a mask.
        padded = np.full((len(texts), most), self._tokenizer.pad_token_id, dtype=np.int64)
        for row, ids in enumerate(tokens.ids):
            padded[row, : len(ids)] = ids

        def forward(rows: Rows) -> npt.NDArray[np.float32]:
            with no_gradients():
                ids = torch.from_numpy(padded[rows]).to(self._device.name)
                return self._vectors(self._model.get_text_features(input_ids=ids).pooler_output)

        starts = range(0, len(texts), self.group)
        parts = [self._in_parts(forward, np.arange(start, min(start + self.group, len(texts)))) for start in starts]
        vectors = np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)
        return Encoded(vectors, tokens.dropped)

    def _embed(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        def forward(rows: Rows) -> npt.NDArray[np.float32]:
            with no_gradients():
                values = self.preprocessing.to_tensor(pixels[rows], self._device.name, self._model.dtype)
                features = getattr(self._model, "get_image_features", self._model)
                return self._vectors(features(pixel_values=values).pooler_output)

        return self._in_parts(forward, np.arange(len(pixels)))

    def _in_parts(self, forward: Any, rows: Rows) -> npt.NDArray[np.float32]:
        return np.concatenate([vectors for _, vectors in in_halves(forward, rows, self._device)])

    def _vectors(self, features: Any) -> npt.NDArray[np.float32]:
        import torch

        features = features.float()
        if self._normalize:
            features = torch.nn.functional.normalize(features, dim=-1)
        vectors: npt.NDArray[np.float32] = features.cpu().numpy()
        return vectors
