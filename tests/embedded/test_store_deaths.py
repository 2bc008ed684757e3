"""A store that is killed while it is written to loses nothing; it is restarted once, then reported."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pymongo
import pytest
from botocore.config import Config
from pymongo.errors import DuplicateKeyError
from qdrant_client import QdrantClient
from qdrant_client import models as m

from mixpeek_dagster.embedded import EmbeddedStores, StoreStatus, open_embedded, stores_status
from mixpeek_dagster.errors import StoreUnavailable

Eventually = Callable[[Callable[[], object]], None]


class MongoItems:
    def __init__(self, stores: EmbeddedStores) -> None:
        client = pymongo.MongoClient[dict[str, Any]](stores.mongodb_url, serverSelectionTimeoutMS=500)
        self._items = client.test.items

    def put(self, number: int) -> None:
        try:
            self._items.insert_one({"_id": number})
        except DuplicateKeyError:
            return  # written by an attempt that got no answer

    def numbers(self) -> set[int]:
        return {item["_id"] for item in self._items.find()}


class QdrantItems:
    def __init__(self, stores: EmbeddedStores) -> None:
        self._client = QdrantClient(url=stores.qdrant_url, timeout=10)
        self._client.create_collection("items", vectors_config={"v": m.VectorParams(size=2, distance=m.Distance.DOT)})

    def put(self, number: int) -> None:
        self._client.upsert("items", [m.PointStruct(id=number, vector={"v": [1.0, 2.0]})])

    def numbers(self) -> set[int]:
        return {int(record.id) for record in self._client.scroll("items", limit=100_000)[0]}


class S3Items:
    def __init__(self, stores: EmbeddedStores) -> None:
        self._client = boto3.client(
            "s3",
            endpoint_url=stores.s3_url,
            aws_access_key_id=stores.s3_access_key_id.get_secret_value(),
            aws_secret_access_key=stores.s3_secret_access_key.get_secret_value(),
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 0}),
        )
        self._client.create_bucket(Bucket="items")

    def put(self, number: int) -> None:
        self._client.put_object(Bucket="items", Key=str(number), Body=b"x" * 2000)

    def numbers(self) -> set[int]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket="items")
        return {int(item["Key"]) for page in pages for item in page.get("Contents", [])}


def status_of(home: Path, name: str) -> StoreStatus:
    return next(status for status in stores_status(home) if status.name == name)


class Writer(threading.Thread):
    """Writes one item after the other, again where it was refused, and keeps account."""

    def __init__(self, items: Any) -> None:
        super().__init__()
        self.acknowledged: set[int] = set()
        self._items = items
        self._ending = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._ending.is_set():
            try:
                self._items.put(number)
            except Exception:
                self._ending.wait(0.02)
            else:
                self.acknowledged.add(number)
                number += 1

    def end(self) -> None:
        self._ending.set()
        self.join()


@pytest.mark.parametrize(("name", "kind"), [("mongodb", MongoItems), ("qdrant", QdrantItems), ("s3", S3Items)])
def test_a_killed_store_comes_back_once_with_all_it_acknowledged(
    own_home: Path, eventually: Eventually, name: str, kind: Callable[[EmbeddedStores], Any]
) -> None:
    with open_embedded(own_home, linger=0.5) as stores:
        first = status_of(own_home, name)
        items = kind(stores)
        writer = Writer(items)
        writer.start()
        eventually(lambda: len(writer.acknowledged) >= 20)
        kill(first)
        before = len(writer.acknowledged)
        eventually(lambda: len(writer.acknowledged) >= before + 20)
        writer.end()
        second = status_of(own_home, name)
        assert (second.state, second.url) == ("running", first.url)
        assert second.pid != first.pid
        assert writer.acknowledged <= items.numbers()

        kill(second)
        eventually(lambda: status_of(own_home, name).state == "failed" and status_of(own_home, name).pid is None)
        assert "was killed by SIGKILL, for the second time within 10 minutes" in status_of(own_home, name).detail
        with pytest.raises(StoreUnavailable, match=f"store '{name}'.*{own_home}/logs/{name}.log"):
            open_embedded(own_home)
        others = {status.state for status in stores_status(own_home) if status.name != name}
        assert others == {"running"}


def kill(status: StoreStatus) -> None:
    assert status.pid is not None
    os.kill(status.pid, signal.SIGKILL)
