"""Kept Parquet: manifests say how long each part is.

A manifest named its parts and the bytes of all of them together. Now it says the bytes of each, so that a part which is
not what was kept is noticed when it is read. The parts themselves are not written anew: those of version 0 differ from
later ones by nothing but saying no version.

It can be repeated: a manifest that says version 1 is left alone, and one is replaced by a single write.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from mixpeek_dagster.errors import MixpeekError, NotFound
from mixpeek_dagster.migrations.work import Work

_PREFIX = "_artifacts/"
_MANIFEST = "/manifest.json"


def migrate(work: Work) -> None:
    """Describe the parts of all datasets."""
    objects = work.objects
    for keys in work.groups(_manifests(work)):
        urls = map(objects.url, keys)
        for key, content in zip(keys, objects.get_many(urls), strict=True):
            if isinstance(content, NotFound):
                continue
            if isinstance(content, MixpeekError):
                raise content
            manifest = orjson.loads(content)
            if manifest.get("schema_version", 0) < 1:
                objects.put(key, orjson.dumps(_described(work, manifest)))
                work.reached(key)


def _manifests(work: Work) -> Iterator[str]:
    return (key for key, _ in work.objects.written(_PREFIX) if key.endswith(_MANIFEST))


def _described(work: Work, manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest's next shape; the size of a part that is gone is null, and reading it says so as before."""
    heads = work.objects.head_many(map(work.objects.url, manifest["keys"]))
    sizes = [None if head is None else head.size for head in heads]
    parts = [{"key": key, "bytes": size} for key, size in zip(manifest["keys"], sizes, strict=True)]
    return {"schema_version": 1, "parts": parts, "metadata": manifest["metadata"]}
