"""Arrivals told by S3 event notifications that wait in an SQS queue.

A message is deleted only after its arrivals are in the inbox, so a crash in between reports them again, which changes
nothing. A message that cannot be read is kept on a dead-letter list and deleted, so that it does not come back.

Source: "Event message structure", Amazon S3 User Guide.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Bucket, Sync
from mixpeek_dagster.errors import StoreUnavailable
from mixpeek_dagster.ingest.filters import wanted
from mixpeek_dagster.ingest.report import SeenObject, report

_SOURCE = "events"
_PER_CALL = 10
_LONGEST_POLL = 1


@dataclass
class Received:
    """What one tick's events came to."""

    messages: int = 0
    new: int = 0
    poison: int = 0


def receive_arrivals(
    catalog: Catalog, client: Any, bucket: Bucket, sync: Sync, *, seconds: float, clock: Callable[[], float]
) -> Received:
    """Take messages for so many seconds, or until the queue is empty.

    Args:
        client: a boto3 SQS client.

    Raises:
        StoreUnavailable: the queue or MongoDB does not answer.
    """
    deadline, done = clock() + seconds, Received()
    while clock() < deadline:
        # Only the first call waits for messages: a queue that has just been emptied is asked again at the next look.
        messages = _take(client, str(sync.queue_url), wait=_LONGEST_POLL if not done.messages else 0)
        if not messages:
            break
        seen: list[SeenObject] = []
        for message in messages:
            try:
                seen += _seen(bucket, message["Body"])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                catalog.dead_letters.keep(
                    bucket, message["MessageId"], message["Body"], f"{type(error).__name__}: {error}"
                )
                done.poison += 1
        counted = [item for item in seen if item.removed or wanted(sync, item.key, item.size_bytes)]
        done.new += report(catalog, bucket, _latest(counted), _SOURCE)
        done.messages += len(messages)
        _delete(client, str(sync.queue_url), messages)
    return done


def _seen(bucket: Bucket, body: str) -> Iterator[SeenObject]:
    content = json.loads(body)
    if isinstance(content, dict) and isinstance(content.get("Message"), str):
        content = json.loads(content["Message"])  # it came through SNS
    if content.get("Event") == "s3:TestEvent":
        return
    for record in content["Records"]:
        name, item = record["s3"]["bucket"]["name"], record["s3"]["object"]
        key = unquote_plus(item["key"])
        if name != bucket.s3_bucket or not key.startswith(bucket.prefix):
            continue
        removed = record["eventName"].removeprefix("s3:").startswith(("ObjectRemoved", "LifecycleExpiration"))
        yield SeenObject(
            key.removeprefix(bucket.prefix), item.get("eTag", "").strip('"'), int(item.get("size", 0)), removed
        )


def _latest(seen: list[SeenObject]) -> list[SeenObject]:
    """Both a put and a removal of one key may be reported; which of them holds is asked of S3 when a batch is made."""
    return list(dict.fromkeys(seen))


def _take(client: Any, queue: str, wait: int) -> list[dict[str, Any]]:
    try:
        reply = client.receive_message(QueueUrl=queue, MaxNumberOfMessages=_PER_CALL, WaitTimeSeconds=wait)
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailable(f"queue {queue}", why=str(error), fix="Check its URL and permissions") from None
    messages: list[dict[str, Any]] = reply.get("Messages", [])
    return messages


def _delete(client: Any, queue: str, messages: list[dict[str, Any]]) -> None:
    entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
    try:
        client.delete_message_batch(QueueUrl=queue, Entries=entries)
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailable(f"queue {queue}", why=str(error), fix="Check its URL and permissions") from None
