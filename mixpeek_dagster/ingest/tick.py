"""One look at a bucket: what arrived, which batches are to be made, which are to be run, which are over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from mixpeek_dagster.catalog.arrivals import ArrivalState
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.leases import Lease
from mixpeek_dagster.catalog.records import Batch, Bucket, Sync, TaskStatus
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.ingest.batching import finish_draft, form_batch
from mixpeek_dagster.ingest.events import Received, receive_arrivals
from mixpeek_dagster.ingest.listing import Listed, list_arrivals
from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.processes.identity import lease_owner, owner_is_gone

_EVENT_SECONDS, _LIST_SECONDS, _BATCH_SECONDS = 4.0, 8.0, 6.0
_LEASE = timedelta(seconds=45)
_MOST_RETIRED = 500
_MOST_INTERRUPTIONS = 20
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=30)


class RunState(StrEnum):
    """How a batch's run stands."""

    ABSENT = "absent"
    UNDER_WAY = "under way"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Its process was lost; the batch may be without fault."""


@dataclass
class Tick:
    """What a look came to.

    Attributes:
        to_run: batches that want a run, oldest first.
        finished: batches that were found to be over.
        retired: ids of old finished batches that need no partition any more.
        problem: why a source could not be read; the others were.
    """

    listed: Listed = field(default_factory=Listed)
    received: Received = field(default_factory=Received)
    formed: list[Batch] = field(default_factory=list)
    to_run: list[Batch] = field(default_factory=list)
    under_way: int = 0
    finished: list[Batch] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)
    waiting: int = 0
    busy: bool = False
    problem: str = ""

    def summary(self) -> str:
        """One line for the sensor's page."""
        if self.busy:
            return "another process is looking at this bucket"
        parts = [f"{self.listed.keys} keys listed", f"{self.listed.new + self.received.new} arrived"]
        if self.received.messages:
            parts.insert(1, f"{self.received.messages} events")
        parts += [f"{self.waiting} waiting", f"{len(self.to_run)} batches to run", f"{self.under_way} under way"]
        parts += [f"{len(self.finished)} finished"] if self.finished else []
        return ", ".join(parts) + (f". {self.problem}" if self.problem else "")


def run_tick(
    catalog: Catalog,
    objects: ObjectStore,
    bucket: Bucket,
    *,
    run_state: Callable[[Batch], RunState],
    queue: Callable[[], Any] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Tick:
    """Look at a bucket once. It can be killed anywhere: the next look goes on from there.

    Args:
        run_state: says how the run of a batch's present attempt stands.
        queue: gives an SQS client.

    Raises:
        StoreUnavailable: MongoDB does not answer.
    """
    sync, tick = bucket.sync or Sync(enabled=False), Tick()
    if not sync.enabled:
        return tick
    with _leased(catalog, bucket) as ours:
        if not ours:
            tick.busy = True
            return tick
        _read_sources(catalog, objects, bucket, sync, tick, queue, clock)
        _make_batches(catalog, objects, bucket, sync, tick, clock)
        _finish_batches(catalog, bucket, sync, tick, run_state)
        tick.retired = catalog.batches.surplus(bucket.bucket_id, sync.keep_batches, _MOST_RETIRED)
        tick.waiting = catalog.arrivals.count({"bucket_id": bucket.bucket_id, "state": ArrivalState.SEEN.value})
    return tick


def _read_sources(
    catalog: Catalog,
    objects: ObjectStore,
    bucket: Bucket,
    sync: Sync,
    tick: Tick,
    queue: Callable[[], Any] | None,
    clock: Callable[[], float],
) -> None:
    """A source that does not answer is tried again at the next look, and must not hold up the other."""
    try:
        if sync.queue_url and queue is not None:
            with closing(queue()) as client:
                tick.received = receive_arrivals(catalog, client, bucket, sync, seconds=_EVENT_SECONDS, clock=clock)
    except MixpeekError as error:
        tick.problem = str(error)
    try:
        if sync.listing:
            tick.listed = list_arrivals(catalog, objects, bucket, sync, seconds=_LIST_SECONDS, clock=clock)
    except MixpeekError as error:
        tick.problem = str(error)


def _make_batches(
    catalog: Catalog, objects: ObjectStore, bucket: Bucket, sync: Sync, tick: Tick, clock: Callable[[], float]
) -> None:
    deadline = clock() + _BATCH_SECONDS
    try:
        for batch in catalog.batches.unfinished(bucket.bucket_id):
            if batch.status is TaskStatus.DRAFT:
                finish_draft(catalog, objects, bucket, batch)
        while clock() < deadline:
            formed = form_batch(catalog, objects, bucket, sync, datetime.now(UTC))
            if formed is None:
                break
            tick.formed.append(formed)
    except MixpeekError as error:
        tick.problem = str(error)


def _finish_batches(
    catalog: Catalog, bucket: Bucket, sync: Sync, tick: Tick, run_state: Callable[[Batch], RunState]
) -> None:
    for batch in catalog.batches.unfinished(bucket.bucket_id):
        if batch.status is not TaskStatus.PENDING:
            continue
        state = run_state(batch)
        if state is RunState.SUCCEEDED:
            tick.finished.append(_finish(catalog, batch))
        elif state is RunState.FAILED:
            _failed(catalog, sync, batch, tick)
        elif state is RunState.INTERRUPTED:
            _interrupted(catalog, batch, tick)
        elif state is RunState.UNDER_WAY:
            tick.under_way += 1
        elif batch.retry_at is None or batch.retry_at <= datetime.now(UTC):
            tick.to_run.append(batch)


def _finish(catalog: Catalog, batch: Batch) -> Batch:
    partial = any(tier["status"] != TaskStatus.COMPLETED.value for tier in batch.tiers.values())
    status = TaskStatus.COMPLETED_WITH_ERRORS if partial else TaskStatus.COMPLETED
    catalog.arrivals.close_batch(batch.batch_id, ArrivalState.DONE)
    catalog.batches.record_status(batch.batch_id, status=status.value, finished_at=datetime.now(UTC), reason="")
    return catalog.batches.get(batch.batch_id)


def _failed(catalog: Catalog, sync: Sync, batch: Batch, tick: Tick) -> None:
    catalog.tasks.abandon(batch.batch_id, "its run ended without it")
    reason = _reason(batch)
    if batch.failures + 1 < sync.attempts:
        pause = min(_FIRST_PAUSE * 2**batch.failures, _LONGEST_PAUSE)
        _try_again(catalog, batch, pause, reason=reason, failures=batch.failures + 1)
    else:
        _give_up(catalog, batch, tick, reason)


def _interrupted(catalog: Catalog, batch: Batch, tick: Tick) -> None:
    """Restarts and kills are no fault of a batch, unless it is what ends its process time and again."""
    catalog.tasks.abandon(batch.batch_id, "its run's process was lost")
    lost = batch.interruptions + 1
    if lost <= _MOST_INTERRUPTIONS:
        reason = f"the process of its run was lost, {lost} times so far"
        _try_again(catalog, batch, timedelta(), reason=reason, interruptions=lost)
    else:
        _give_up(catalog, batch, tick, f"the process of its run was lost {lost} times; does it run out of memory?")


def _try_again(catalog: Catalog, batch: Batch, pause: timedelta, **changes: Any) -> None:
    retry_at = datetime.now(UTC) + pause
    catalog.batches.record_status(batch.batch_id, attempt=batch.attempt + 1, retry_at=retry_at, **changes)


def _give_up(catalog: Catalog, batch: Batch, tick: Tick, reason: str) -> None:
    catalog.arrivals.close_batch(batch.batch_id, ArrivalState.FAILED)
    ended = {"status": TaskStatus.FAILED.value, "finished_at": datetime.now(UTC), "reason": reason}
    catalog.batches.record_status(batch.batch_id, **ended)
    tick.finished.append(catalog.batches.get(batch.batch_id))


def _reason(batch: Batch) -> str:
    reasons = [reason for tier in batch.tiers.values() for reason in tier.get("reasons", ())]
    return "; ".join(reasons) or "its run failed before a collection's checks; see the run in Dagster"


@contextmanager
def _leased(catalog: Catalog, bucket: Bucket) -> Iterator[bool]:
    lease = Lease(bucket_id=bucket.bucket_id, owner=lease_owner(), until=datetime.now(UTC) + _LEASE)
    ours = catalog.leases.acquire(lease, owner_is_gone)
    try:
        yield ours
    finally:
        if ours:
            catalog.leases.release(lease)
