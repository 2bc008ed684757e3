"""Arrivals told by S3 event notifications: a real server that sends them to a real queue."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mixpeek_dagster.catalog.buckets import ensure_bucket
from mixpeek_dagster.catalog.records import Collection, Sync
from mixpeek_dagster.graph.aws import queue_client
from mixpeek_dagster.operations.buckets import set_sync, sync_status
from mixpeek_dagster.processes.ports import choose
from tests.arrivals.conftest import Shore
from tests.runs.conftest import World

_EVENTS = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]


@pytest.fixture(scope="module")
def simulator() -> Iterator[str]:
    """S3 and SQS on one loopback port."""
    port = choose({"simulator": []})["simulator"]
    program = Path(sys.executable).parent / "roto-server"
    process = subprocess.Popen([program, "--port", str(port), "--ephemeral"], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                httpx.get(url, timeout=1)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def eventful(make_world: Any, simulator: str) -> Shore:
    """A bucket that hears of arrivals by events alone."""
    name = f"b{secrets.token_hex(6)}"
    keys = {"s3_access_key_id": "key", "s3_secret_access_key": "secret"}
    world: World = make_world(s3_url=simulator, sqs_url=simulator, s3_bucket=name, **keys)
    shore = Shore(world, _bucket(world), queue=lambda: queue_client(world.settings))
    queue = shore.queue() if shore.queue else None
    assert queue is not None
    url = queue.create_queue(QueueName=name)["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": _EVENTS}]}
    shore.s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=wanted)
    shore.sync(batch_seconds=0, listing=False, queue_url=url)
    return shore


def _bucket(world: World) -> Any:
    assert world.stores.objects
    bucket = ensure_bucket(world.stores.catalog, world.namespace, "docs", world.settings.s3_bucket)
    return set_sync(world.stores.catalog, bucket, Sync())


@pytest.fixture
def notes(eventful: Shore) -> Collection:
    return eventful.world.collection(eventful.world.plugin())


def settle(shore: Shore) -> None:
    """Look and run until the queue and the inbox are empty."""
    for _ in range(30):
        tick = shore.look()
        for batch in tick.to_run:
            shore.run(batch)
        if not (tick.received.messages or tick.to_run or tick.formed or tick.finished or tick.waiting):
            return
    raise AssertionError(shore.looks[-1].summary())


def send(shore: Shore, body: str) -> None:
    assert shore.queue is not None
    queue: Any = shore.queue()
    queue.send_message(QueueUrl=str(shore.bucket.sync and shore.bucket.sync.queue_url), MessageBody=body)


def test_puts_overwrites_and_deletions_are_heard(eventful: Shore, notes: Collection) -> None:
    for key in ("a.txt", "b c+d.txt", "über/e.txt"):
        eventful.put(key, "first")
    settle(eventful)
    assert eventful.keys(notes) == ["a.txt", "b c+d.txt", "über/e.txt"]
    eventful.put("a.txt", "second")
    eventful.delete("b c+d.txt")
    settle(eventful)
    assert eventful.texts(notes) == {"a.txt": "second", "über/e.txt": "first"}


def test_the_same_event_twice_is_one_arrival(eventful: Shore, notes: Collection) -> None:
    eventful.put("a.txt")
    settle(eventful)
    etag = eventful.s3.head_object(Bucket=eventful.bucket.s3_bucket, Key=eventful.bucket.prefix + "a.txt")["ETag"]
    again = {"key": eventful.bucket.prefix + "a.txt", "size": 5, "eTag": etag.strip('"')}
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": eventful.bucket.s3_bucket}, "object": again}}
    for _ in range(3):
        send(eventful, json.dumps({"Records": [record]}))
    settle(eventful)
    assert len(eventful.batches()) == 1


def test_a_late_event_of_an_older_version_changes_nothing(eventful: Shore, notes: Collection) -> None:
    eventful.put("a.txt", "new")
    settle(eventful)
    old = {"key": eventful.bucket.prefix + "a.txt", "size": 3, "eTag": "0" * 32}
    for name in ("ObjectCreated:Put", "ObjectRemoved:Delete"):
        record = {"eventName": name, "s3": {"bucket": {"name": eventful.bucket.s3_bucket}, "object": old}}
        send(eventful, json.dumps({"Records": [record]}))
    settle(eventful)
    assert eventful.texts(notes) == {"a.txt": "new"}


def test_what_cannot_be_read_is_kept_and_holds_up_nothing(eventful: Shore, notes: Collection) -> None:
    for body in ("no JSON", "{}", '{"Records": [{}]}', '["list"]', '{"Service": "Amazon S3", "Event": "s3:TestEvent"}'):
        send(eventful, body)
    eventful.put("a.txt")
    settle(eventful)
    assert eventful.keys(notes) == ["a.txt"]
    letters = sync_status(eventful.world.stores.catalog, eventful.bucket).dead_letters
    assert {letter.body for letter in letters} == {"no JSON", "{}", '{"Records": [{}]}', '["list"]'}
    assert all(letter.reason for letter in letters)


def test_events_of_other_buckets_and_prefixes_are_left_out(eventful: Shore, notes: Collection) -> None:
    eventful.s3.put_object(Bucket=eventful.bucket.s3_bucket, Key="elsewhere/a.txt", Body=b"x")
    record = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "other"}, "object": {"key": "a", "eTag": "1"}},
    }
    send(eventful, json.dumps({"Records": [record]}))
    settle(eventful)
    assert eventful.states() == {}


def test_events_and_listing_together_make_one_document(eventful: Shore, notes: Collection) -> None:
    eventful.sync(listing=True)
    eventful.put("a.txt")
    eventful.settle()
    assert eventful.keys(notes) == ["a.txt"]
    assert len(eventful.batches()) == 1


def test_a_queue_that_is_gone_is_said_and_the_listing_goes_on(eventful: Shore, notes: Collection) -> None:
    eventful.sync(listing=True, queue_url="http://127.0.0.1:9/nothing")
    eventful.put("a.txt")
    assert "queue http://127.0.0.1:9/nothing" in eventful.look().summary()
    eventful.settle()
    assert eventful.keys(notes) == ["a.txt"]
