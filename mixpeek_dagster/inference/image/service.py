"""Embedding of a column of images."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from pydantic import Field

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.inference.image.decoding import Pixels, open_image
from mixpeek_dagster.inference.image.encoder import ImageEncoder
from mixpeek_dagster.inference.packing import does_not_fit
from mixpeek_dagster.inference.service import BatchService, ServiceConfig, column, file_of
from mixpeek_dagster.plugins.assets import open_asset
from mixpeek_dagster.threads import read_ahead

_THREADS = 4
_AHEAD = 32


class ImageEmbeddingConfig(ServiceConfig):
    image_column: str = Field("data", description="Column that holds URLs or paths of images.")
    output_column_name: str = Field("embedding", description="Column for the vectors: the feature's name.")
    normalize: bool = Field(True, description="Whether vectors have length 1.")


class ImageEmbeddingService(BatchService):
    """Embed the images that a column names.

    They are fetched and decoded by threads while the model works on those before them. An image that cannot be read
    fails its row and says why.
    """

    Config = ImageEmbeddingConfig
    config: ImageEmbeddingConfig
    batch_rows = 512

    def _process_batch(self, batch: pd.DataFrame) -> pd.DataFrame:
        cells = np.empty(len(batch), dtype=object)
        sources = column(batch, self.config.image_column, "image_column")
        for positions, found in self.encoder.encode_groups(self._groups(sources)):
            for position, vector in zip(positions, found.values, strict=True):
                cells[position] = vector
            for position in (positions[place] for place in found.unfit):
                cells[position] = None
                self.fail_row(position, does_not_fit("the image", self.encoder.size_told))
        return batch.assign(**{self.config.output_column_name: cells})

    @functools.cached_property
    def encoder(self) -> ImageEncoder:
        """What embeds, without columns.

        Raises:
            ModelNotFound: the model is not on this machine and cannot be fetched.
        """
        loaded, device = self.load()
        return ImageEncoder(loaded.model, loaded.tokenizer, device, normalize=self.config.normalize)

    def _groups(self, sources: Sequence[object]) -> Iterator[tuple[list[int], Pixels]]:
        """Positions and pixels of images that go through the model together; a row whose image fails is left out."""
        size = self.encoder.group
        positions: list[int] = []
        pixels: list[Pixels] = []
        for position, future in enumerate(
            read_ahead(self._read, sources, threads=_THREADS, most=max(_AHEAD, 2 * size))
        ):
            try:
                pixels.append(future.result())
                positions.append(position)
            except MixpeekError as error:
                self.fail_row(position, error)
            if len(pixels) == size:
                yield positions, np.stack(pixels)
                positions, pixels = [], []
        if pixels:
            yield positions, np.stack(pixels)

    def _read(self, source: object) -> Pixels:
        preprocessing = self.encoder.preprocessing
        with open_asset(file_of(source, self.config.image_column)) as path:
            return preprocessing.prepare(open_image(path, preprocessing.shorter_side))
