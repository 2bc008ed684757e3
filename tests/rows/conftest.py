"""Rows as the blobs asset makes them, and a step run over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mixpeek_dagster import ids
from mixpeek_dagster.plugins.pipeline import ResourceType, RowCondition, StepDefinition, as_step
from mixpeek_dagster.rows.rows import Rows, RowsWriter
from mixpeek_dagster.rows.select import Selection
from mixpeek_dagster.rows.state import begin
from mixpeek_dagster.steps.runner import StepReport, run_step

_VECTORS = frozenset({"v", "w"})


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Folders that nobody used before; for the whole session, so that hypothesis may ask for many."""
    root, numbers = tmp_path_factory.mktemp("rows"), count()
    return lambda: root / str(next(numbers))


@pytest.fixture(scope="session")
def source() -> Callable[..., pd.DataFrame]:
    """`source(n, **columns)`: n source rows, live."""
    return _source


@pytest.fixture(scope="session")
def spool(folder: Callable[[], Path]) -> Callable[..., Rows]:
    """`spool(frame)`: a frame as rows on disk."""

    def write(frame: pd.DataFrame, *, chunk_rows: int = 100, vectors: frozenset[str] = _VECTORS) -> Rows:
        with RowsWriter(folder(), vectors, chunk_rows) as writer:
            writer.append(frame)
        return writer.rows()

    return write


@pytest.fixture(scope="session")
def rows(spool: Callable[..., Rows]) -> Callable[..., Rows]:
    """`rows(n, **columns)`: n source rows on disk."""

    def build(n: int, *, chunk_rows: int = 100, **columns: Any) -> Rows:
        return spool(_source(n, **columns), chunk_rows=chunk_rows)

    return build


@pytest.fixture(scope="session")
def run(
    folder: Callable[[], Path], rows: Callable[..., Rows], spool: Callable[..., Rows]
) -> Callable[..., tuple[pd.DataFrame, StepReport]]:
    """`run(target, n or frame or rows)`: what comes out of a step, and its report."""

    def go(
        target: Any,
        given: int | pd.DataFrame | Rows = 4,
        *,
        condition: RowCondition = RowCondition.ALWAYS,
        config: Any = None,
        resource: ResourceType = ResourceType.CPU,
        batch_size: int = 32,
        chunk_rows: int = 100,
        position_fields: Sequence[str] = (),
        counts: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[pd.DataFrame, StepReport]:
        if isinstance(given, int):
            given = rows(given, chunk_rows=chunk_rows)
        elif isinstance(given, pd.DataFrame):
            given = spool(given, chunk_rows=chunk_rows)
        step = as_step(StepDefinition(target, resource, condition=condition, config=config))
        with RowsWriter(folder(), given.vectors, chunk_rows) as writer:
            report = run_step(
                step,
                given,
                writer,
                batch_size=batch_size,
                position_fields=position_fields,
                counts=counts,
                progress=progress,
            )
        made = writer.rows()
        frames = list(made.chunks())
        made.delete()
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(), report

    return go


def apply_source_filters(frame: pd.DataFrame, filters: Mapping[str, Any], types: Sequence[str]) -> pd.DataFrame:
    """The rows after the source filters alone."""
    selection = Selection(frame)
    selection.filter(filters, types)
    return selection.result()


def mark_reused(frame: pd.DataFrame, documents: Mapping[str, int]) -> pd.DataFrame:
    """The rows after those are marked whose documents are there."""
    selection = Selection(frame)
    selection.mark_reused(documents)
    return selection.result()


def _source(n: int, **columns: Any) -> pd.DataFrame:
    cells: dict[str, Any] = {
        "data": [f"text {i}" for i in range(n)],
        "document_id": [ids.document_id("ns", "col", f"key{i}", "content") for i in range(n)],
        "object_id": [f"obj_{i}" for i in range(n)],
        "blob_id": [f"blob_{i}" for i in range(n)],
        "blob_property": "content",
        "blob_type": "text",
        "collection_id": "col_1",
        "feature_extractor_id": "plugin_1_0_0",
        "mime_type": "text/plain",
        "size_bytes": np.arange(n, dtype=np.int64),
        "object_key": [f"key{i}" for i in range(n)],
        "etag": [f"etag{i}" for i in range(n)],
        "content_hash": [f"hash{i}" for i in range(n)],
        "properties": _objects([{} for _ in range(n)]),
        "error": _objects([None] * n),
    }
    for name, value in columns.items():
        cells[name] = _objects(value) if isinstance(value, list) and _is_structured(value) else value
    return begin(pd.DataFrame(cells, index=range(n)))


def _is_structured(values: list[Any]) -> bool:
    return any(value is None or isinstance(value, list | tuple | dict | np.ndarray) for value in values)


def _objects(values: list[Any]) -> pd.Series:
    cells = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        cells[index] = value
    return pd.Series(cells, dtype=object)
