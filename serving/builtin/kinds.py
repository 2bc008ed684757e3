"""Which kind a built-in model is of."""

from __future__ import annotations

from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.inference.image.models import SiglipBasePatch16224
from mixpeek_dagster.inference.image.service import ImageEmbeddingService
from mixpeek_dagster.inference.reranking.service import BgeRerankerV2M3
from mixpeek_dagster.inference.service import BatchService
from mixpeek_dagster.inference.speech.service import TranscriptionService
from mixpeek_dagster.inference.text.service import TextEmbeddingService
from serving.builtin.image import ImageAndTextEmbedding, ImageEmbedding
from serving.builtin.kind import Kind
from serving.builtin.reranking import Reranking
from serving.builtin.speech import Transcription
from serving.builtin.text import TextEmbedding

_KINDS: dict[type[BatchService], type[Kind]] = {
    SiglipBasePatch16224: ImageAndTextEmbedding,
    ImageEmbeddingService: ImageEmbedding,
    TextEmbeddingService: TextEmbedding,
    BgeRerankerV2M3: Reranking,
    TranscriptionService: Transcription,
}
"""By batch service; the first that fits is taken."""


def kind_of(service: type[BatchService]) -> type[Kind]:
    """The kind of a batch service's model.

    Raises:
        NotFound: models of this service are not served in realtime.
    """
    for known, kind in _KINDS.items():
        if issubclass(service, known):
            return kind
    raise NotFound(f"realtime service of {service.model.model_id!r}")
