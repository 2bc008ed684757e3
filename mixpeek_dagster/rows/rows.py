"""Rows between the steps of a run: chunks in a spool, so that memory does not grow with the batch."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as pa

from mixpeek_dagster.rows.codec import Codec, decode, encode
from mixpeek_dagster.rows.spool import FolderSpool, Spool
from mixpeek_dagster.rows.unwritable import fail_unwritable


@dataclass(frozen=True)
class Rows:
    """A handle on spooled rows: small, picklable, and can be read again.

    Args:
        spool: where the chunks are.
        parts: their names, in order.
        count: how many rows.
        vectors: columns that hold vectors.
    """

    spool: Spool
    parts: tuple[str, ...]
    count: int
    vectors: frozenset[str]

    def chunks(self) -> Iterator[pd.DataFrame]:
        """Decoded one at a time, so that no more than one is in memory."""
        return map(self.chunk, self.parts)

    def chunk(self, part: str) -> pd.DataFrame:
        """One part of the spool, decoded."""
        return decode(self.spool.read(part))

    def delete(self) -> None:
        """Free the space; the handle is of no use afterwards."""
        self.spool.clear()


class RowsWriter:
    """Spools frames; a context manager, so that a step that breaks leaves nothing behind.

    Args:
        spool: where to; a path is a folder of this machine.
        vectors: columns that hold vectors.
        chunk_rows: rows of a part at most.
    """

    def __init__(self, spool: Spool | Path, vectors: frozenset[str], chunk_rows: int) -> None:
        self.spool: Spool = FolderSpool(spool) if isinstance(spool, Path) else spool
        self.vectors = vectors
        self.chunk_rows = chunk_rows
        self._parts: list[str] = []
        self._count = 0

    def __enter__(self) -> Self:
        self.spool.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.spool.clear()

    def append(self, frame: pd.DataFrame) -> None:
        """Spool a frame; one that a step made too long is cut."""
        for table in cut(frame, self.vectors, self.chunk_rows, self.spool.name):
            part = f"{len(self._parts):06d}"
            self.spool.write(part, table)
            self.add_parts([part], table.num_rows)

    def add_parts(self, parts: Sequence[str], count: int) -> None:
        """Take over parts that others have written to the spool, with so many rows in all."""
        self._parts.extend(parts)
        self._count += count

    def rows(self) -> Rows:
        """The handle on what was written."""
        return Rows(self.spool, tuple(self._parts), self._count, self.vectors)


def cut(frame: pd.DataFrame, vectors: frozenset[str], chunk_rows: int, stage: str) -> Iterator[pa.Table]:
    """A frame as tables of at most so many rows; rows whose values cannot be written fail at that stage."""
    for start in range(0, len(frame), chunk_rows):
        piece = frame.iloc[start : start + chunk_rows]
        try:
            yield encode(piece, vectors, Codec.PICKLE)
        except (TypeError, ValueError, AttributeError, RecursionError, pickle.PicklingError):
            # Looked for only now: trying each cell costs more than writing them all.
            yield encode(fail_unwritable(piece, frozenset(), Codec.PICKLE, stage), vectors, Codec.PICKLE)
