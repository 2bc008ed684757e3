"""The blobs of a batch as a stream of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mixpeek_dagster.ingest.blobs import blob_frames
from mixpeek_dagster.runs.frames import Frames
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores


@dataclass
class _Totals:
    rows: int = 0
    size_bytes: int = 0
    unreadable: int = 0
    vanished: int = 0
    by_type: Counter[str] = field(default_factory=Counter)

    def add(self, frame: pd.DataFrame) -> None:
        self.rows += len(frame)
        self.size_bytes += int(frame["size_bytes"].sum())
        self.unreadable += int(frame["error"].notna().sum())
        self.by_type.update(frame["blob_type"])

    def leave_out(self, rows: int) -> None:
        self.vanished += rows

    def metadata(self) -> Mapping[str, Any]:
        by_type = ", ".join(f"{count} {name}" for name, count in self.by_type.most_common())
        sizes = {"content_bytes": self.size_bytes, "unreadable": self.unreadable, "vanished": self.vanished}
        return {"dagster/row_count": self.rows, "types": by_type, **sizes}


def read_blobs(stores: Stores, settings: Settings, *, batch_id: str) -> Frames:
    """Rows of a batch's blobs, read from S3 while they are consumed.

    Raises:
        NotFound: there is no such batch.
    """
    batch = stores.catalog.batches.get(batch_id)
    totals = _Totals()

    def frames() -> Iterator[pd.DataFrame]:
        limits = (settings.chunk_rows, settings.max_text_bytes)
        for frame in blob_frames(stores.catalog, stores.objects, batch, *limits, totals.leave_out):
            totals.add(frame)
            yield frame

    return Frames(frames, summary=totals.metadata)
