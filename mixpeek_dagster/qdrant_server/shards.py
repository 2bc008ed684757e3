"""Shards of the engine: making, opening and copying them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from mixpeek_dagster.processes.files import sync_folder
from mixpeek_dagster.qdrant_server.indexes import index_schema
from mixpeek_dagster.qdrant_server.schema import CollectionSchema, VectorParams

# The engine refuses a shard without any vector; this sparse one is never filled nor shown.
_PLACEHOLDER = "__none__"
# Kilobytes of vectors before an approximate index is built: never, exact search is fast enough at this scale.
_NO_INDEX_BELOW = 2**40
_COPY_BYTES = 2**24


def create_shard(path: Path, vectors: Mapping[str, VectorParams]) -> None:
    """Make an empty shard."""
    edge.EdgeShard.create(str(path), _config(vectors)).close()


def load_shard(path: Path, vectors: Mapping[str, VectorParams]) -> Any:
    """Open a shard; the engine replays its write-ahead log.

    Raises:
        Exception: the data is damaged, in use, or has other vectors than `vectors`.
    """
    return edge.EdgeShard.load(str(path), _config(vectors))


def renew_shard(path: Path, schema: CollectionSchema) -> Any:
    """Make and open an empty shard that has the schema's vectors and indexes; it is on disk."""
    create_shard(path, schema.vectors)
    shard = load_shard(path, schema.vectors)
    for field, raw in schema.indexes.items():
        shard.update(create_index(field, raw))
    shard.flush()
    return shard


def is_empty(shard: Any) -> bool:
    """Whether it holds no point, deleted ones not counted."""
    return int(shard.count(edge.CountRequest(exact=True))) == 0


def copy_shard(source: Path, target: Path) -> None:
    """Copy a flushed shard that nobody writes to, durably. Holes stay holes: a new log is 64 MB of them."""
    target.mkdir()
    for entry in source.iterdir():
        if entry.is_dir():
            copy_shard(entry, target / entry.name)
        else:
            _copy_file(entry, target / entry.name)
    sync_folder(target)


def create_vector(name: str, params: VectorParams) -> Any:
    """The operation that adds a named vector."""
    return edge.UpdateOperation.create_dense_vector(name, params.size, getattr(edge.Distance, params.distance))


def create_index(field: str, raw: Any) -> Any:
    """The operation that indexes a payload field."""
    return edge.UpdateOperation.create_field_index(field, index_schema(raw))


def _config(vectors: Mapping[str, VectorParams]) -> Any:
    named = {
        name: edge.EdgeVectorParams(params.size, getattr(edge.Distance, params.distance))
        for name, params in vectors.items()
    }
    return edge.EdgeConfig(
        vectors=named or None,
        sparse_vectors={_PLACEHOLDER: edge.EdgeSparseVectorParams()},
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NO_INDEX_BELOW),
    )


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as reader, target.open("xb", buffering=0) as writer:
        size = os.fstat(reader.fileno()).st_size
        writer.truncate(size)
        position = _next(reader.fileno(), 0, size, os.SEEK_DATA)
        while position < size:
            end = _next(reader.fileno(), position, size, os.SEEK_HOLE)
            reader.seek(position)
            writer.seek(position)
            while position < end:
                piece = reader.read(min(_COPY_BYTES, end - position))
                writer.write(piece)
                position += len(piece)
            position = _next(reader.fileno(), position, size, os.SEEK_DATA)
        os.fsync(writer.fileno())


def _next(descriptor: int, position: int, size: int, kind: int) -> int:
    try:
        return min(os.lseek(descriptor, position, kind), size)
    except OSError:  # no data after `position`
        return size
