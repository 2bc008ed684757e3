"""The image models that are built in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixpeek_dagster.inference.image.realtime import ImageAndTextEmbedding, ImageEmbedding
from mixpeek_dagster.inference.image.service import ImageEmbeddingService
from mixpeek_dagster.inference.realtime import RealtimeService
from mixpeek_dagster.inference.service import BatchService, ServedModel


class SiglipBasePatch16224(ImageEmbeddingService):
    """Embed images with google/siglip-base-patch16-224 (768 numbers); its encoder embeds texts that find them, too."""

    model = ServedModel("google/siglip-base-patch16-224", "embedding", processor_class="AutoProcessor", dimension=768)


class MobileNetV2(ImageEmbeddingService):
    """Embed images with torchvision/mobilenet_v2 (1,280 numbers), which a package carries."""

    model = ServedModel("torchvision/mobilenet_v2", "embedding", processor_class="AutoImageProcessor", dimension=1280)


BUILT_IN: Mapping[type[BatchService], type[RealtimeService[Any]]] = {
    SiglipBasePatch16224: ImageAndTextEmbedding,
    MobileNetV2: ImageEmbedding,
}
"""How each is used in batches, and in requests."""
