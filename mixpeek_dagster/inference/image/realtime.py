"""Embedding of images, and of texts that find them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, StringConstraints, model_validator

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.inference.image.decoding import Pixels, open_image
from mixpeek_dagster.inference.image.encoder import ImageEncoder
from mixpeek_dagster.inference.image.service import ImageEmbeddingService
from mixpeek_dagster.inference.invalid import InvalidField, InvalidInput
from mixpeek_dagster.inference.realtime import (
    Admit,
    Fields,
    FileLimits,
    InferenceResult,
    RealtimeService,
    Text,
    Threads,
    Tokenizing,
    Vectors,
    embedded,
    embedding_schema,
    one_of,
)
from mixpeek_dagster.inference.request_files import local_file

_THREADS = 4
_MOST_PIXELS = 50_000_000
_RED_DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO"
    "9TXL0Y4OHwAAAABJRU5ErkJggg=="
)

Source = Annotated[str, StringConstraints(min_length=1)]


class ImageInputs(Fields):
    """Exactly one of `image` and `images`."""

    image: Source | None = Field(None, description="An http(s) URL, a data: URL, or base64 of an image file.")
    images: list[Source] | None = Field(None, description="Images, each of which gets a vector.")
    vector_index: str | None = Field(None, description="Taken and not needed: the model has one kind of vector.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        one_of(self, *(name for name in type(self).model_fields if name != "vector_index"))
        return self


class ImageOrTextInputs(ImageInputs):
    """Images, or texts that are to be held against images."""

    text: Text | None = Field(None, description="A text, whose vector is near to those of images that show it.")
    texts: list[Text] | None = Field(None, description="Texts, each of which gets a vector.")


class ImageEmbedding(RealtimeService[ImageEmbeddingService]):
    """A vector for each image, each fetched and decoded before it waits for the model."""

    Inputs = ImageInputs
    example = {"image": _RED_DOT}
    replied = "`embedding` for one input, `embeddings` for a list"

    def __init__(self, service: type[ImageEmbeddingService], limits: FileLimits) -> None:
        super().__init__(service, limits)
        self._readers = Threads(_THREADS, "read")
        self._tokenizer = Tokenizing()
        self._encoder: ImageEncoder

    def load(self) -> None:
        """Blocks until the weights are in memory; sets `budget` and `device`."""
        service = self.service()
        self._encoder = service.encoder
        self.budget = self._encoder.group
        self.device = self._encoder.device

    def compute(self, group: Any, payloads: Sequence[Any]) -> Sequence[Vectors]:
        """Vectors of pixels, or of token ids."""
        if group == "texts":
            return list(self._encoder.encode_text_pack(payloads))
        return list(self._encoder.encode_pack(np.stack(payloads)))

    async def answer(self, inputs: ImageInputs, parameters: Fields, admit: Admit) -> InferenceResult:
        """A vector for each image or text."""
        if isinstance(inputs, ImageOrTextInputs) and (inputs.text is not None or inputs.texts is not None):
            return await self._answer_texts(inputs, admit)
        single = inputs.image is not None
        sources = [inputs.image] if inputs.image is not None else inputs.images or []
        places = [("inputs", "image")] if single else [("inputs", "images", n) for n in range(len(sources))]
        with admit(len(sources)) as job:
            reads = [self._readers.run(self._read, *each) for each in zip(sources, places, strict=True)]
            pixels = await _all(reads)
            vectors = await job.compute(pixels, [1] * len(pixels), "images")
        return InferenceResult(embedded(vectors, not single))

    def reply_schema(self) -> dict[str, Any]:
        """The reply, in OpenAPI's words."""
        return embedding_schema(self.model.dimension)

    async def _answer_texts(self, inputs: ImageOrTextInputs, admit: Admit) -> InferenceResult:
        texts = [inputs.text] if inputs.text is not None else inputs.texts or []
        with admit(len(texts)) as job:
            tokens = await self._tokenizer.run(self._encoder.tokenize, texts)
            vectors = await job.compute(tokens.ids, [1] * len(texts), "texts")
        return InferenceResult(embedded(vectors, inputs.texts is not None), int(tokens.dropped.sum()))

    def _read(self, source: str, place: tuple[str | int, ...]) -> Pixels:
        preprocessing = self._encoder.preprocessing
        try:
            with local_file(source, self.limits.body_bytes, self.limits.seconds) as path:
                return preprocessing.prepare(open_image(path, preprocessing.shorter_side, _MOST_PIXELS))
        except MixpeekError as error:
            raise InvalidInput(InvalidField.of(place, error)) from None


class ImageAndTextEmbedding(ImageEmbedding):
    """Images, and texts that find them, to vectors of one space."""

    Inputs = ImageOrTextInputs


async def _all(reads: Sequence[Awaitable[Pixels]]) -> list[Pixels]:
    """What all give; if one raises, those that have not begun are not done any more."""
    tasks = [asyncio.ensure_future(read) for read in reads]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
