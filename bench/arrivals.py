"""Arrivals: every final object once, listing and events that stay cheap, kills that change nothing.

    python -m bench.arrivals --json figures.json

Real processes throughout: `mixpeek up` with its Dagster daemon, the embedded S3 server, an S3 server that sends events
to SQS, and dagster-aws's own `get_objects` on the same writes.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from dagster_aws.s3.sensor import get_objects

from bench.landing import Landing, Writers, differences, unfinished, wait_until_settled
from bench.report import Figure, arguments, finish
from mixpeek_dagster import ids
from mixpeek_dagster.catalog.records import Blob, Bucket, Object, Sync
from mixpeek_dagster.embedded import stop_embedded
from mixpeek_dagster.graph.aws import queue_client
from mixpeek_dagster.ingest.listing import list_arrivals
from mixpeek_dagster.ingest.tick import RunState, run_tick
from mixpeek_dagster.objects.connection import S3Access
from mixpeek_dagster.operations.buckets import create_bucket, set_sync
from mixpeek_dagster.processes.ports import choose
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores, open_stores

_WRITERS = 8
_LIST_SECONDS = 8.0
_NEW = 100


def main() -> int:
    """Run all parts and print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--objects", type=int, default=10_000, help="objects that the writers put")
    parser.add_argument("--keys", type=int, default=100_000, help="keys that are listed")
    parser.add_argument("--kills", type=int, default=30, help="how often everything is killed")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="mixpeek-bench-", ignore_cleanup_errors=True) as folder:
        figures += _churn(Path(folder) / "churn", options.objects, 0)
        figures += _churn(Path(folder) / "kills", options.objects // 4, options.kills)
        figures += _listing(Path(folder) / "listing", options.keys)
        figures += _events(Path(folder) / "events")
        figures += _same_second(Path(folder) / "seconds")
    return finish(figures, options.json)


def _churn(folder: Path, objects: int, kills: int) -> Iterator[Figure]:
    """Writers at work while the daemon ticks, killed at random moments if so wanted."""
    landing, name = Landing(folder), "kills" if kills else "churn"
    with landing.stores() as stores:
        (bucket,) = stores.catalog.buckets.all()
        writers, started = Writers(stores, bucket, 7, _WRITERS), time.monotonic()
        landing.up()
        if kills:
            _kill_meanwhile(landing, writers, objects, kills)
        else:
            writers.work(objects)
        written = time.monotonic() - started
        seconds = wait_until_settled(stores, bucket, writers.final, 1200)
        missing, extra, stale = differences(stores, bucket, writers.final)
        left = unfinished(stores, bucket) if missing or extra or stale else ""
    landing.stop()
    stop_embedded(landing.home)
    note = f"{objects} objects by {_WRITERS} writers in {written:.0f} s, {kills} kills. {left}".rstrip()
    yield Figure(f"{name}_missing", missing, 0, note=note)
    yield Figure(f"{name}_extra", extra, 0)
    yield Figure(f"{name}_stale", stale, 0)
    yield Figure(f"{name}_seconds_behind_the_last_write", seconds)


def _kill_meanwhile(landing: Landing, writers: Writers, objects: int, kills: int) -> None:
    chance, rounds = random.Random(11), 5
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(writers.work, 0)
        for number in range(kills):
            if number % max(kills // rounds, 1) == 0:
                writing.result()
                writing = pool.submit(writers.work, objects // rounds)
            time.sleep(chance.uniform(3, 25))
            landing.kill()
            landing.up()
        writing.result()


def _listing(folder: Path, keys: int) -> Iterator[Figure]:
    """Ticks over a tenth and over all of the keys."""
    with _stores(folder) as stores:
        costs = {}
        longest = 0.0
        for count in (keys // 10, keys):
            bucket = _bucket(stores, f"keys{count}")
            _fill(stores, bucket, count)
            seconds, slowest = _cycle(stores, bucket)
            costs[count] = seconds / count
            longest = max(longest, slowest)
    stop_embedded(folder)
    few, many = costs[keys // 10], costs[keys]
    yield Figure("listing_longest_tick_seconds", longest, 20, note=f"{keys} keys")
    yield Figure("listing_microseconds_per_key", many * 1e6, note=f"{few * 1e6:.0f} with {keys // 10} keys")
    yield Figure("listing_cost_per_key_ratio", many / few, 1.5, note="all keys against a tenth of them")


def _cycle(stores: Stores, bucket: Bucket) -> tuple[float, float]:
    total = slowest = 0.0
    sync = Sync()
    while True:
        started = time.monotonic()
        done = list_arrivals(stores.catalog, stores.objects, bucket, sync, seconds=_LIST_SECONDS, clock=time.monotonic)
        seconds = time.monotonic() - started
        total, slowest = total + seconds, max(slowest, seconds)
        if done.cycle_finished:
            return total, slowest


def _fill(stores: Stores, bucket: Bucket, count: int) -> None:
    source = stores.settings.home_path / "one.txt"
    source.write_text("one", encoding="utf-8")
    for _ in stores.objects.put_many((f"{bucket.prefix}{n:07}.txt", source) for n in range(count)):
        pass


def _events(folder: Path) -> Iterator[Figure]:
    """One tick with new objects told by events, among few and among many that are known."""
    keys = {"s3_access_key_id": "key", "s3_secret_access_key": "secret", "s3_bucket": "events"}
    with _simulator() as url, _stores(folder, s3_url=url, sqs_url=url, **keys) as stores:
        few, many = _event_tick(stores, 1_000), _event_tick(stores, 100_000)
    stop_embedded(folder)
    yield Figure("event_tick_ratio", many / few, 1.2, note=f"{many:.2f} s among 100,000 objects, {few:.2f} among 1,000")


def _event_tick(stores: Stores, known: int) -> float:
    bucket = _bucket(stores, f"known{known}")
    client: Any = queue_client(stores.settings)
    queue = client.create_queue(QueueName=f"q{known}")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    notify = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3 = S3Access.of(stores.settings).client()
    s3.put_bucket_notification_configuration(Bucket=bucket.s3_bucket, NotificationConfiguration=notify)
    stores.catalog.objects.put_many([_known(bucket, number) for number in range(known)])
    sync = Sync(listing=False, queue_url=queue, batch_seconds=0)
    stores.catalog.buckets.put(bucket.model_copy(update={"sync": sync}))
    seconds = []
    for turn in range(3):
        for number in range(_NEW):
            s3.put_object(Bucket=bucket.s3_bucket, Key=f"{bucket.prefix}new/{turn}/{number}.txt", Body=b"x")
        started = time.monotonic()
        run_tick(
            stores.catalog,
            stores.objects,
            stores.catalog.buckets.get(bucket.bucket_id),
            run_state=lambda _: RunState.UNDER_WAY,
            queue=lambda: client,
        )
        seconds.append(time.monotonic() - started)
    return min(seconds)


def _same_second(folder: Path) -> Iterator[Figure]:
    """Writes in bursts with a tick between any two of them, within the same seconds."""
    with _stores(folder) as stores:
        bucket = _bucket(stores, "seconds")
        client = S3Access.of(stores.settings).client()
        theirs: list[tuple[str, str | None]] = []
        since: datetime | None = None
        final: dict[str, str] = {}
        for turn in range(40):
            for number in range(10):
                key = f"{bucket.prefix}{(turn * 7 + number) % 150}.txt"
                reply = client.put_object(Bucket=bucket.s3_bucket, Key=key, Body=f"{turn} {number}".encode())
                final[key] = reply["ETag"]
            found = get_objects(bucket.s3_bucket, bucket.prefix, since_last_modified=since, client=client)
            theirs += [(item["Key"], item["ETag"]) for item in found if "ETag" in item]
            since = max((item["LastModified"] for item in found), default=since)
            list_arrivals(stores.catalog, stores.objects, bucket, Sync(), seconds=5, clock=time.monotonic)
        ours = {
            (f"{bucket.prefix}{a.key}", f'"{a.etag}"') for a in stores.catalog.arrivals.waiting(bucket.bucket_id, 0)
        }
    stop_embedded(folder)
    wanted = set(final.items())
    yield Figure("same_second_missed_by_ours", len(wanted - ours), 0, note=f"of {len(wanted)} final objects")
    yield Figure("same_second_missed_by_dagster_aws", len(wanted - set(theirs)), note="since_last_modified")
    yield Figure("same_second_repeated_by_dagster_aws", len(theirs) - len(set(theirs)))


def _known(bucket: Bucket, number: int) -> Object:
    object_id = ids.derived_id(ids.Prefix.OBJECT, bucket.bucket_id, str(number))
    blob = Blob(
        blob_id=f"blob_{number}",
        property="content",
        type="text",
        url=bucket.url(f"{number}.txt"),
        mime_type="text/plain",
        size_bytes=1,
        etag=str(number),
        content_hash=str(number),
    )
    return Object(
        object_id=object_id,
        bucket_id=bucket.bucket_id,
        namespace_id=bucket.namespace_id,
        key=f"{number}.txt",
        blobs=(blob,),
        updated_at=datetime.now(UTC),
    )


def _bucket(stores: Stores, name: str) -> Bucket:
    namespace = stores.catalog.ensure_namespace("default", "local")
    s3_bucket = stores.settings.s3_bucket
    assert stores.objects
    bucket = create_bucket(stores.catalog, namespace, name, s3_bucket)
    return set_sync(stores.catalog, bucket, Sync())


@contextmanager
def _stores(home: Path, **settings: Any) -> Iterator[Stores]:
    with open_stores(Settings.model_validate({"home": home, **settings})) as stores:
        yield stores


@contextmanager
def _simulator() -> Iterator[str]:
    port = choose({"simulator": []})["simulator"]
    program = str(Path(sys.executable).parent / "roto-server")
    process = subprocess.Popen([program, "--port", str(port), "--ephemeral"], stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                httpx.get(f"http://127.0.0.1:{port}", timeout=1)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    raise SystemExit(main())
