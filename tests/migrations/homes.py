"""Homes that earlier code wrote, unpacked; and everything that one holds, to compare two of them."""

from __future__ import annotations

import tarfile
import uuid
from pathlib import Path
from typing import Any

import bson
import orjson
from pymongo import MongoClient
from qdrant_client import models

from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.index.connection import connect
from mixpeek_dagster.objects.connection import S3Access
from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.settings import Settings

ARCHIVE = Path(__file__).parent / "data" / "home_0.tar.xz"
_PIECE = 1 << 20
_ZEROS = bytes(_PIECE)


def unpack(target: Path) -> Path:
    """Unpack the home; its large files are nearly all zeros, which take no space."""
    with tarfile.open(ARCHIVE) as packed:
        for entry in packed:
            path = target / entry.name
            if entry.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            source = packed.extractfile(entry)
            assert source is not None
            with path.open("wb") as file:
                while piece := source.read(_PIECE):
                    file.seek(len(piece), 1) if piece == _ZEROS[: len(piece)] else file.write(piece)
                file.truncate(entry.size)
    (target / "home" / "run").chmod(0o700)
    return target / "home"


def settings_of(stores: EmbeddedStores, **changes: Any) -> Settings:
    """Settings that lead to running stores by URL."""
    values: dict[str, Any] = {
        "home": stores.home,
        "mongodb_url": stores.mongodb_url,
        "qdrant_url": stores.qdrant_url,
        "s3_url": stores.s3_url,
        "s3_access_key_id": stores.s3_access_key_id,
        "s3_secret_access_key": stores.s3_secret_access_key,
        **changes,
    }
    return Settings.model_validate(values)


def environment_of(settings: Settings) -> dict[str, str]:
    """The same as variables of a process."""
    access, secret = settings.s3_access_key_id, settings.s3_secret_access_key
    assert access is not None
    assert secret is not None
    return {
        "MIXPEEK_HOME": str(settings.home),
        "MIXPEEK_MONGODB_URL": str(settings.mongodb_url),
        "MIXPEEK_MONGODB_DATABASE": settings.mongodb_database,
        "MIXPEEK_QDRANT_URL": str(settings.qdrant_url),
        "MIXPEEK_S3_URL": str(settings.s3_url),
        "MIXPEEK_S3_ACCESS_KEY_ID": access.get_secret_value(),
        "MIXPEEK_S3_SECRET_ACCESS_KEY": secret.get_secret_value(),
    }


def catalog_bytes(settings: Settings) -> dict[str, bytes]:
    """Every collection of the catalog's database as BSON, its records in the order of their ids, then its indexes."""
    with MongoClient[dict[str, Any]](settings.mongodb_url) as client:
        database = client[settings.mongodb_database]
        return {
            name: b"".join(map(bson.encode, database[name].find().sort("_id", 1)))
            + orjson.dumps(sorted(database[name].index_information()))
            for name in sorted(database.list_collection_names())
        }


def everything(settings: Settings) -> dict[str, Any]:
    """Catalog, payloads and manifests, without when and by whom they were upgraded."""
    catalog = {name: content for name, content in catalog_bytes(settings).items() if name != "schema"}
    return {"catalog": catalog, "payloads": payloads(settings), "manifests": manifests(settings)}


def multiply(settings: Settings, times: int) -> None:
    """So many copies more of each bucket, collection, point and manifest, as earlier code would have written them."""
    with MongoClient[dict[str, Any]](settings.mongodb_url) as client:
        for kind, name in (("buckets", "bucket_name"), ("collections", "collection_name")):
            records = client[settings.mongodb_database][kind]
            for record in list(records.find()):
                named = [(f"{record['_id']}_{n:03d}", f"{record[name]}_{n:03d}") for n in range(times)]
                records.insert_many([{**record, "_id": key, name: called, "_name": called} for key, called in named])
    qdrant = connect(str(settings.qdrant_url), None, timeout=30)
    for collection in qdrant.get_collections().collections:
        points = qdrant.scroll(collection.name, limit=1000, with_payload=True, with_vectors=True)[0]
        copies = [
            models.PointStruct(id=str(uuid.uuid4()), vector=point.vector or {}, payload=point.payload)
            for point in points
            for _ in range(times)
        ]
        qdrant.upsert(collection.name, copies, wait=True)
    qdrant.close()
    objects = ObjectStore(S3Access.of(settings), settings.s3_bucket)
    for key, manifest in manifests(settings).items():
        for number in range(times):
            objects.put(key.replace("_artifacts/", f"_artifacts/copy{number:03d}/"), orjson.dumps(manifest))


def upgraded_payload(old: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a payload of version 0."""
    own = {name: value for name, value in old["_internal"].items() if name != "fingerprint"}
    config_hash, _, content_hash = old["_internal"]["fingerprint"].partition(":")
    assert content_hash == own["content_hash"]
    return {**old, "_internal": {**own, "config_hash": config_hash, "schema_version": 1}}


def payloads(settings: Settings) -> dict[str, dict[str, Any]]:
    """Payload of each point, by its id."""
    client = connect(str(settings.qdrant_url), None, timeout=30)
    found: dict[str, dict[str, Any]] = {}
    for collection in client.get_collections().collections:
        points, rest = client.scroll(collection.name, limit=1000, with_payload=True)
        assert rest is None
        found |= {str(point.id): dict(point.payload or {}) for point in points}
    client.close()
    return found


def manifests(settings: Settings) -> dict[str, dict[str, Any]]:
    """Manifests of kept rows, by key."""
    objects = ObjectStore(S3Access.of(settings), settings.s3_bucket)
    keys = [key for key in objects.keys("_artifacts/") if key.endswith("/manifest.json")]
    return {key: orjson.loads(objects.get(key)) for key in sorted(keys)}
