"""Rows that runs keep: a dataset of parts and a manifest that is switched last, so that a reader never sees half."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mixpeek_dagster.errors import NotFound, StoreError
from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.schema_version import FIELD, require_known

PREFIX = "_artifacts"
MANIFEST_VERSION = 1


@dataclass(frozen=True)
class KeptPart:
    """One part of a dataset.

    Args:
        key: of its object.
        size: in bytes; None if it was gone when its size was first asked.
    """

    key: str
    size: int | None


@dataclass(frozen=True)
class Dataset:
    """Kept parts."""

    objects: ObjectStore
    kept: tuple[KeptPart, ...]
    metadata: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size or 0 for part in self.kept)

    def parts(self) -> Iterator[bytes]:
        """Contents of the parts, one at a time.

        Raises:
            NotFound: a part was deleted.
            StoreError: a part is not as long as it was written.
        """
        for part in self.kept:
            content = self.objects.get(part.key)
            if part.size is not None and len(content) != part.size:
                why = f"it has {len(content):,} bytes, and {part.size:,} were written"
                raise StoreError(f"kept rows {part.key!r}", why=why, fix="Materialize their asset again")
            yield content


class ArtifactStore:
    """Datasets by name."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def write(self, name: str, parts: Iterable[bytes], metadata: Mapping[str, Any]) -> Dataset:
        """Keep a dataset, replacing the one of that name once all of the new one is stored."""
        folder = f"{PREFIX}/{name}"
        generation = f"{folder}/{secrets.token_hex(6)}"
        kept = []
        for number, part in enumerate(parts):
            kept.append(KeptPart(f"{generation}/{number:06d}.parquet", len(part)))
            self._objects.put(kept[-1].key, part)
        listed = [{"key": part.key, "bytes": part.size} for part in kept]
        described = {FIELD: MANIFEST_VERSION, "parts": listed, "metadata": dict(metadata)}
        self._objects.put(f"{folder}/manifest.json", orjson.dumps(described))
        stale = [
            key for key in self._objects.keys(f"{folder}/") if not key.startswith((generation, f"{folder}/manifest"))
        ]
        self._objects.delete(stale)
        return Dataset(self._objects, tuple(kept), dict(metadata))

    def delete(self, prefix: str) -> None:
        """Delete every dataset whose name begins with a prefix that ends in a slash."""
        self._objects.delete(self._objects.keys(f"{PREFIX}/{prefix}"))

    def open(self, name: str) -> Dataset:
        """The dataset of that name.

        Raises:
            NotFound: there is none.
            SchemaTooNew: later code kept it.
        """
        try:
            manifest = orjson.loads(self._objects.get(f"{PREFIX}/{name}/manifest.json"))
        except NotFound:
            raise NotFound(f"kept rows {name!r}") from None
        require_known(f"kept rows {name!r}", manifest, MANIFEST_VERSION)
        kept = tuple(KeptPart(part["key"], part["bytes"]) for part in manifest["parts"])
        return Dataset(self._objects, kept, manifest["metadata"])
