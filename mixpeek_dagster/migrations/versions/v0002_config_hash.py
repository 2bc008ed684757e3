"""Payloads: `config_hash` in the place of `fingerprint`.

`_internal.fingerprint` was `config_hash:content_hash`, and `_internal.content_hash` held the second half once more.
Now each half is there once, so that a filter can find the documents that other code or parameters made.

It can be repeated: what is done is found by `_internal.schema_version`, which has an index and is written last of all.
A point that was left between two writes has lost its fingerprint only after it has got its hash.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from qdrant_client import QdrantClient, models

from mixpeek_dagster.index.connection import qdrant_errors
from mixpeek_dagster.migrations.work import Work

_VERSION = "_internal.schema_version"
_FINGERPRINT = "_internal.fingerprint"


def migrate(work: Work) -> None:
    """Cut the fingerprints of all points, a batch at a time."""
    for ids in work.ids(work.database["namespaces"], {}):
        for namespace_id in ids:
            with qdrant_errors():
                if work.qdrant.collection_exists(namespace_id):
                    _collection(work, namespace_id)


def _collection(work: Work, name: str) -> None:
    client = work.qdrant
    if _VERSION not in client.get_collection(name).payload_schema:
        client.create_payload_index(name, _VERSION, models.PayloadSchemaType.INTEGER, wait=True)
    work.reached(f"{name} has an index of versions")
    field = models.PayloadField(key=_VERSION)
    earlier = models.FieldCondition(key=_VERSION, range=models.Range(lt=1))
    todo = models.Filter(should=[models.IsEmptyCondition(is_empty=field), earlier])
    done = 0
    while points := client.scroll(name, todo, limit=work.batch, with_payload=[_FINGERPRINT], with_vectors=False)[0]:
        _change(work, client, name, points)
        done += len(points)
        work.reached(f"{name}: {done} points")


def _change(work: Work, client: QdrantClient, name: str, points: list[models.Record]) -> None:
    ids: list[Any] = [point.id for point in points]
    by_hash: dict[str, list[Any]] = defaultdict(list)
    for point in points:
        fingerprint = ((point.payload or {}).get("_internal") or {}).get("fingerprint")
        if fingerprint is not None:
            by_hash[str(fingerprint).partition(":")[0]].append(point.id)
    for config_hash, those in by_hash.items():
        client.set_payload(name, {"config_hash": config_hash}, points=those, key="_internal", wait=True)
    work.reached(f"{name}: hashes of {len(points)} points")
    client.delete_payload(name, [_FINGERPRINT], points=ids, wait=True)
    work.reached(f"{name}: {len(points)} points without fingerprints")
    client.set_payload(name, {"schema_version": 1}, points=ids, key="_internal", wait=True)
