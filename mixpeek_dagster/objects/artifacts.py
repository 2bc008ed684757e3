"""Rows that runs keep: a dataset of parts and a manifest that is switched last, so that a reader never sees half."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.objects.object_store import ObjectStore

_PREFIX = "_artifacts"


@dataclass(frozen=True)
class Dataset:
    """Kept parts."""

    objects: ObjectStore
    keys: tuple[str, ...]
    metadata: Mapping[str, Any]
    size: int

    def parts(self) -> Iterator[bytes]:
        """The parts, one at a time.

        Raises:
            NotFound: a part was deleted.
        """
        for key in self.keys:
            yield self.objects.get(key)


class ArtifactStore:
    """Datasets by name."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def write(self, name: str, parts: Iterable[bytes], metadata: Mapping[str, Any]) -> Dataset:
        """Keep a dataset, replacing the one of that name once all of the new one is stored."""
        folder = f"{_PREFIX}/{name}"
        generation = f"{folder}/{secrets.token_hex(6)}"
        keys, size = [], 0
        for number, part in enumerate(parts):
            keys.append(f"{generation}/{number:06d}.parquet")
            self._objects.put(keys[-1], part)
            size += len(part)
        described = {"keys": keys, "metadata": dict(metadata), "bytes": size}
        self._objects.put(f"{folder}/manifest.json", orjson.dumps(described))
        stale = [
            key for key in self._objects.keys(f"{folder}/") if not key.startswith((generation, f"{folder}/manifest"))
        ]
        self._objects.delete(stale)
        return Dataset(self._objects, tuple(keys), dict(metadata), size)

    def delete(self, prefix: str) -> None:
        """Delete every dataset whose name begins with a prefix that ends in a slash."""
        self._objects.delete(self._objects.keys(f"{_PREFIX}/{prefix}"))

    def open(self, name: str) -> Dataset:
        """The dataset of that name.

        Raises:
            NotFound: there is none.
        """
        try:
            manifest = orjson.loads(self._objects.get(f"{_PREFIX}/{name}/manifest.json"))
        except NotFound:
            raise NotFound(f"kept rows {name!r}") from None
        return Dataset(self._objects, tuple(manifest["keys"]), manifest["metadata"], manifest["bytes"])
