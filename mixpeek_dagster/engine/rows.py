"""Rows between the steps of a run: chunks spooled to disk, so that memory does not grow with the batch."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import pyarrow as pa

from mixpeek_dagster.engine.codec import Codec, decode, encode
from mixpeek_dagster.engine.unwritable import fail_unwritable


@dataclass(frozen=True)
class Rows:
    """A handle on spooled rows: small, picklable, and can be read again.

    Args:
        folder: where the chunks are.
        parts: how many chunks there are.
        count: how many rows.
        vectors: columns that hold vectors.
    """

    folder: Path
    parts: int
    count: int
    vectors: frozenset[str]

    def chunks(self) -> Iterator[pd.DataFrame]:
        """The rows, a chunk at a time."""
        for number in range(self.parts):
            with pa.memory_map(str(_part(self.folder, number))) as file:
                yield decode(pa.ipc.open_file(file).read_all())

    def delete(self) -> None:
        """Free the disk; the handle is of no use afterwards."""
        shutil.rmtree(self.folder, ignore_errors=True)


class RowsWriter:
    """Spools frames; a context manager, so that a step that breaks leaves nothing behind."""

    def __init__(self, folder: Path, vectors: frozenset[str], chunk_rows: int) -> None:
        self._folder = folder
        self._vectors = vectors
        self._chunk_rows = chunk_rows
        self._parts = 0
        self._count = 0

    def __enter__(self) -> Self:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def append(self, frame: pd.DataFrame) -> None:
        """Spool a frame; one that a step made too long is cut."""
        for start in range(0, len(frame), self._chunk_rows):
            self._write(frame.iloc[start : start + self._chunk_rows])

    def rows(self) -> Rows:
        """The handle on what was written."""
        return Rows(self._folder, self._parts, self._count, self._vectors)

    def _write(self, frame: pd.DataFrame) -> None:
        table = self._encode(frame)
        path = str(_part(self._folder, self._parts))
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        self._parts += 1
        self._count += len(frame)

    def _encode(self, frame: pd.DataFrame) -> pa.Table:
        try:
            return encode(frame, self._vectors, Codec.PICKLE)
        except (TypeError, ValueError, AttributeError, RecursionError, pickle.PicklingError):
            # Looked for only now: trying each cell costs more than writing them all.
            return encode(
                fail_unwritable(frame, frozenset(), Codec.PICKLE, self._folder.name), self._vectors, Codec.PICKLE
            )


def _part(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.arrow"
