"""A batch that should have made documents and made none is red, and says which counter fell to zero."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.records import Batch
from mixpeek_dagster.dagster_home.outcome import RunOutcome
from mixpeek_dagster.dagster_home.runs import add_batch
from mixpeek_dagster.index.vector_index import DocumentIndex
from tests.runs.conftest import EMBED, World

NOTHING = EMBED.replace('batch["vector"] =', 'batch["another"] =')


def failed(outcome: RunOutcome) -> set[str]:
    return {check.name for check in outcome.checks if not check.passed}


def written_check(outcome: RunOutcome) -> str:
    (message,) = [check.message for check in outcome.checks if check.name == "documents_written"]
    return message


def test_nothing_fetched(world: World) -> None:
    collection = world.collection(world.plugin())
    batch = world.ingest({"a.txt": "one"})
    empty = batch.model_copy(update={"batch_id": ids.new_id(ids.Prefix.BATCH), "object_count": 0})
    world.stores.catalog.batches.insert(Batch.model_validate(empty.model_dump()))
    add_batch(world.instance, world.namespace.namespace_name, "docs", empty.batch_id)

    outcome = world.run(collection, empty)

    assert not outcome.success
    assert "nothing was fetched" in written_check(outcome)
    assert world.ledger(collection, empty)["source_documents_fetched"] == 0
    assert world.status(outcome) == "FAILED"


def test_all_filtered(world: World) -> None:
    collection = world.collection(world.plugin(), filters={"object_key": "no-such-key"})
    batch = world.ingest({"a.txt": "one", "b.txt": "two"})

    outcome = world.run(collection, batch)

    assert not outcome.success
    assert "All 2 rows were filtered out" in written_check(outcome)
    assert "source filter" in written_check(outcome)
    assert world.ledger(collection, batch)["documents_after_source_filter"] == 0
    assert world.status(outcome) == "FAILED"


def test_mapped_fields_missing(world: World) -> None:
    plugin = world.plugin(
        inputs='{"type": "object", "properties": {"title": {"type": "integer"}}, "required": ["title"]}'
    )
    collection = world.collection(plugin, input_mappings={"title": "headline"})
    batch = world.ingest({"a.txt": "one", "b.txt": "two"})

    outcome = world.run(collection, batch)

    assert not outcome.success
    assert "All 2 rows lack a required input field" in written_check(outcome)
    assert "headline" in written_check(outcome)
    ledger = world.ledger(collection, batch)
    assert ledger["documents_missing_input_fields"] == ledger["documents_after_source_filter"] == 2
    assert world.status(outcome) == "FAILED"


def test_steps_produced_nothing(world: World) -> None:
    collection = world.collection(world.plugin(NOTHING))
    batch = world.ingest({"a.txt": "one", "b.txt": "two"})

    outcome = world.run(collection, batch)

    assert not outcome.success
    assert failed(outcome) == {"vectors_valid", "documents_written"}
    assert "rename it to 'vector'" in (outcome.error or "")
    assert world.ledger(collection, batch)["documents_expected"] == 0
    assert world.status(outcome) == "FAILED"


class _Qdrant:
    """A Qdrant server of this test alone."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "mixpeek_dagster.qdrant_server", "--path", str(folder)]
        self.process = subprocess.Popen([*command, "--port", str(self.port)])
        httpx.Client(transport=httpx.HTTPTransport(retries=8)).get(f"{self.url}/readyz", timeout=10)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[_Qdrant]:
    server = _Qdrant(tmp_path / f"qdrant-{secrets.token_hex(4)}")
    yield server
    server.kill()


@pytest.fixture
def own(make_world: Callable[..., World], qdrant: _Qdrant) -> World:
    return make_world(qdrant_url=qdrant.url, upsert_batch=2)


def _after_first_upsert(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None]) -> None:
    """Do something once Qdrant has acknowledged the first request of a write."""
    from mixpeek_dagster.index import write

    send = write._send
    done = threading.Event()

    def send_and_act(*arguments: Any) -> None:
        send(*arguments)
        if not done.is_set():
            done.set()
            action()

    monkeypatch.setattr(write, "_send", send_and_act)


def test_qdrant_dies_in_mid_write(own: World, qdrant: _Qdrant, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = own.collection(own.plugin())
    batch = own.ingest({f"{n}.txt": f"text {n}" for n in range(8)})
    _after_first_upsert(monkeypatch, qdrant.kill)

    outcome = own.run(collection, batch)

    assert not outcome.success
    assert {"documents_written", "qdrant_count"} <= failed(outcome)
    assert "after 2 that were written" in (outcome.error or "")
    assert own.status(outcome) == "FAILED"


def test_qdrant_accepts_and_then_loses_points(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = own.collection(own.plugin())
    batch = own.ingest({f"{n}.txt": f"text {n}" for n in range(8)})
    _after_first_upsert(monkeypatch, lambda: _lose_everything(own))

    outcome = own.run(collection, batch)

    assert not outcome.success
    assert failed(outcome) == {"documents_written", "qdrant_count"}
    assert "Qdrant holds 6 documents of this batch, the ledger claims 8" in (outcome.error or "")
    assert own.status(outcome) == "FAILED"


def _lose_everything(world: World) -> None:
    index: DocumentIndex = world.stores.index
    sources = [blob.blob_id for o in world.stores.catalog.objects.of_bucket(world.bucket_id) for blob in o.blobs]
    (collection,) = world.stores.catalog.collections.find(world.namespace.namespace_id)
    index.retire(world.namespace.namespace_id, collection.collection_id, sources, keep_run="none")


def test_reused_documents_that_qdrant_lost_are_made_again(own: World) -> None:
    collection = own.collection(own.plugin())
    batch = own.ingest({f"{n}.txt": f"text {n}" for n in range(4)})
    assert own.run(collection, batch).success
    _lose_everything(own)

    outcome = own.run(collection, batch)

    assert outcome.success
    assert own.ledger(collection, batch)["documents_written"] == 4


def test_replaying_kept_features_over_lost_documents_is_red(own: World) -> None:
    """Reused rows keep no vectors, so a replay cannot bring their documents back, and must not say that it did."""
    collection = own.collection(own.plugin())
    batch = own.ingest({f"{n}.txt": f"text {n}" for n in range(4)})
    assert own.run(collection, batch).success
    assert own.run(collection, batch).success
    _lose_everything(own)

    from mixpeek_dagster.dagster_home.runs import materialize_assets
    from mixpeek_dagster.graph import names
    from mixpeek_dagster.graph.catalog_source import compilables

    (item,) = compilables(
        own.stores.catalog.snapshot_of([collection.collection_id]),
        own.stores.plugins.load,
        only=collection.collection_id,
    )
    key = names.documents_key(own.namespace.namespace_name, "notes")
    outcome = materialize_assets(own.instance, own.settings, item, batch.batch_id, [key])

    assert not outcome.success
    assert "qdrant_count" in failed(outcome)
