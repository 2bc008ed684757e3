"""One collection: an engine shard and the schema that says what is in it."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

import qdrant_edge as edge

from mixpeek_dagster.qdrant_server.errors import ApiError, EngineFailed, Missing, WrongInput, from_engine
from mixpeek_dagster.qdrant_server.schema import CollectionSchema, VectorParams
from mixpeek_dagster.qdrant_server.shards import (
    copy_shard,
    create_index,
    create_shard,
    create_vector,
    is_empty,
    load_shard,
    renew_shard,
)

T = TypeVar("T")


class ServedCollection:
    """The shard is opened on first use. Writes are serialised by a lock, reads run beside them.

    A change of the schema is made on a copy of the shard. Replacing the schema file, which names the copy, makes the
    change; a crash before leaves the old schema with the old shard. (The engine itself may lose points when it is
    killed while it adds or removes a vector.) Where there are no points yet, nothing can be lost and nothing need be
    copied: an index is made in place, vectors in a new shard. A namespace begins with seven indexes, one after another.
    """

    def __init__(self, folder: Path, schema: CollectionSchema) -> None:
        self.folder = folder
        self.schema = schema
        self._lock = threading.RLock()
        self._shard: Any = None
        self._closed = False
        self._unflushed = False
        self._operations = itertools.count()

    @classmethod
    def create(cls, folder: Path, schema: CollectionSchema) -> None:
        """Fill a new folder with an empty shard and the schema file."""
        create_shard(folder / schema.shard, schema.vectors)
        schema.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """A collection that is on disk; what an unfinished change left beside its shard is removed."""
        schema = CollectionSchema.load(folder)
        for entry in folder.iterdir():
            if entry.is_dir() and entry.name != schema.shard:
                shutil.rmtree(entry)
        return cls(folder, schema)

    def read(self, call: Callable[[Any], T]) -> T:
        """Run a read on the shard."""
        shard = self._opened()
        try:
            return call(shard)
        except ApiError:
            raise
        except Exception as error:
            if self._shard is not shard:
                # Closed under the read: by a deletion, which the next attempt finds, or by a change of the schema.
                return self.read(call)
            raise from_engine(error) from error

    def apply(self, operations: Sequence[Any]) -> list[dict[str, Any]]:
        """Write operations one after the other; each is in the write-ahead log when this returns."""
        with self._lock:
            shard = self._opened()
            return [self._update(shard, operation) for operation in operations]

    def next_operation(self) -> int:
        """Number of a write, counted from the start of the process."""
        return next(self._operations)

    def add_vector(self, name: str, params: VectorParams) -> None:
        """Add a named vector; the points stay as they are.

        Raises:
            WrongInput: the name is held with another size or distance.
        """
        with self._lock:
            held = self.schema.vectors.get(name)
            if held is None:
                vectors = {**self.schema.vectors, name: params}
                self._change(replace(self.schema, vectors=vectors), create_vector(name, params))
            elif not held.same_space(params):
                raise WrongInput(
                    f"vector '{name}' already exists with different parameters; "
                    "delete it before recreating with a different configuration",
                )

    def drop_vector(self, name: str) -> None:
        """Remove a named vector from the schema and from every point."""
        with self._lock:
            vectors = {held: params for held, params in self.schema.vectors.items() if held != name}
            if len(vectors) == len(self.schema.vectors):
                raise WrongInput(f"Not existing vector name error: {name}")
            self._change(replace(self.schema, vectors=vectors), edge.UpdateOperation.delete_vector_name(name))

    def add_index(self, field: str, raw: Any) -> None:
        """Index a payload field; the same index again is no change."""
        operation = create_index(field, raw)
        with self._lock:
            if self.schema.indexes.get(field) == raw:
                return
            schema = replace(self.schema, indexes={**self.schema.indexes, field: raw})
            shard = self._opened()
            if is_empty(shard):
                self._update(shard, operation)
                self._save(schema)
            else:
                self._change(schema, operation)

    def drop_index(self, field: str) -> None:
        """Remove the index of a payload field, if it has one."""
        with self._lock:
            if field in self.schema.indexes:
                indexes = {held: raw for held, raw in self.schema.indexes.items() if held != field}
                self._change(replace(self.schema, indexes=indexes), edge.UpdateOperation.delete_field_index(field))

    def configure(self, settings: dict[str, Any], metadata: dict[str, Any] | None) -> None:
        """Merge settings and metadata; an empty metadata object removes it."""
        with self._lock:
            merged = {} if metadata == {} else {**self.schema.metadata, **(metadata or {})}
            self._save(replace(self.schema, settings={**self.schema.settings, **settings}, metadata=merged))

    def flush(self) -> None:
        """Write segments to disk and shorten the write-ahead log; reclaim the space of deleted points."""
        with self._lock:
            if self._shard is None or not self._unflushed:
                return
            self._unflushed = False
            self._shard.flush()
            self._shard.optimize()

    def close(self) -> None:
        """Flush and let the shard go; every later call fails."""
        with self._lock:
            self._closed = True
            shard, self._shard = self._shard, None
            if shard is not None:
                shard.flush()
                shard.close()

    def _opened(self) -> Any:
        shard = self._shard
        if shard is not None:
            return shard
        with self._lock:
            if self._closed:
                raise Missing(f"Collection `{self.schema.name}` doesn't exist!")
            if self._shard is None:
                try:
                    self._shard = load_shard(self.folder / self.schema.shard, self.schema.vectors)
                except Exception as error:
                    why = f"collection `{self.schema.name}` in {self.folder} does not open: {error}"
                    raise EngineFailed(why) from error
            return self._shard

    def _change(self, schema: CollectionSchema, operation: Any) -> None:
        """Make a change of the schema on a copy of the shard, or on a new one, and put that in its place."""
        old, old_path = self._opened(), self.folder / self.schema.shard
        path = self.folder / f"shard-{uuid4().hex[:12]}"
        try:
            if is_empty(old):
                shard = renew_shard(path, schema)
            else:
                old.flush()
                copy_shard(old_path, path)
                shard = self._changed(path, schema, operation)
        except Exception as error:
            shutil.rmtree(path, ignore_errors=True)
            raise from_engine(error) from error
        self._save(replace(schema, shard=path.name))
        self._shard = shard
        old.close()
        shutil.rmtree(old_path)

    def _changed(self, path: Path, schema: CollectionSchema, operation: Any) -> Any:
        """The copy, changed, flushed and open."""
        shard = load_shard(path, self.schema.vectors)
        shard.update(operation)
        shard.flush()
        shard.close()
        # Opened anew, the engine compares the vectors that it holds with the schema.
        return load_shard(path, schema.vectors)

    def _update(self, shard: Any, operation: Any) -> dict[str, Any]:
        self._unflushed = True
        try:
            shard.update(operation)
        except Exception as error:
            raise from_engine(error) from error
        return {"operation_id": self.next_operation(), "status": "completed"}

    def _save(self, schema: CollectionSchema) -> None:
        schema.save(self.folder)
        self.schema = schema
