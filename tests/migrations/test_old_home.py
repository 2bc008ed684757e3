"""A home that the code before schema versions wrote, opened with today's: upgraded, and everything of it in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
from upath import UPath

from mixpeek_dagster.catalog.records import Collection, Namespace
from mixpeek_dagster.catalog.repository import Repository
from mixpeek_dagster.dagster_home.runs import materialize, materialize_assets, open_instance
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.catalog_source import compilables
from mixpeek_dagster.graph.collection import Compilable
from mixpeek_dagster.graph.handles_io import HandlesIOManager
from mixpeek_dagster.ingest.tick import RunState, look
from mixpeek_dagster.migrations.installation import Installation
from mixpeek_dagster.migrations.plan import CURRENT
from mixpeek_dagster.operations.search import embed_query
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.rows.parquet import read_part
from mixpeek_dagster.rows.rows import Rows
from mixpeek_dagster.rows.spool import FolderSpool
from mixpeek_dagster.runs.flow import Flow
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.steps.runner import StepReport
from mixpeek_dagster.stores import Stores, open_stores
from tests.migrations import homes


@dataclass
class Old:
    """The home, opened; `before` is what it held when it was unpacked, `after` once it was opened."""

    settings: Settings
    stores: Stores
    namespace: Namespace
    before: dict[str, Any]
    after: dict[str, Any]

    def collection(self, name: str) -> Collection:
        """A collection by name."""
        return self.stores.catalog.collections.get_by_name(self.namespace.namespace_id, name)

    def item(self, name: str) -> Compilable:
        """A collection with what it hangs on."""
        record = self.collection(name)
        snapshot = self.stores.catalog.snapshot_of([record.collection_id])
        return compilables(snapshot, self.stores.plugins.folder, only=record.collection_id)[0]

    def ledger(self, name: str) -> dict[str, int]:
        """What the last run of a collection counted on its batch."""
        tier = self.stores.catalog.batches.get(self.batch).tiers[self.collection(name).collection_id]
        counters: dict[str, int] = tier["counters"]
        return counters

    @property
    def batch(self) -> str:
        """The batch of the bucket `docs`."""
        bucket = self.stores.catalog.buckets.get_by_name(self.namespace.namespace_id, "docs")
        (batch,) = self.stores.catalog.batches.of_bucket(bucket.bucket_id)
        return batch.batch_id

    def documents(self, name: str) -> int:
        """How many documents a collection has in Qdrant."""
        return self.stores.index.count_documents(self.namespace.namespace_id, self.collection(name).collection_id)


@pytest.fixture(scope="module")
def old(unpacked: Callable[[], Settings]) -> Iterator[Old]:
    yield from opened(unpacked())


@pytest.fixture
def untouched(unpacked: Callable[[], Settings]) -> Iterator[Old]:
    """Another one, which no other test has used."""
    yield from opened(unpacked())


def opened(settings: Settings) -> Iterator[Old]:
    before = homes.everything(settings)
    with open_stores(settings) as stores:
        namespace = stores.catalog.ensure_namespace("default", "local")
        yield Old(settings, stores, namespace, before, homes.everything(settings))


@pytest.fixture
def instance(old: Old, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    for name, value in homes.environment_of(old.settings).items():
        monkeypatch.setenv(name, value)
    with open_instance(old.settings) as opened:
        yield opened


def test_names_are_kept_once(old: Old) -> None:
    assert b"_name_1" in old.before["catalog"]["buckets"]
    for kind, count in (("buckets", 2), ("collections", 4)):
        content = old.after["catalog"][kind]
        assert content.count(b"schema_version") == count
        assert b"_name\0" not in content.replace(b"bucket_name\0", b"").replace(b"collection_name\0", b"")
        assert b"namespace_id_1__name_1" not in content


def test_payloads_hold_each_hash_once(old: Old) -> None:
    assert len(old.after["payloads"]) == 8
    assert old.after["payloads"] == {
        point: homes.upgraded_payload(payload) for point, payload in old.before["payloads"].items()
    }


def test_manifests_say_how_long_each_part_is(old: Old) -> None:
    assert len(old.after["manifests"]) >= 4
    for key, before in old.before["manifests"].items():
        after = old.after["manifests"][key]
        assert after["schema_version"] == 1
        assert [part["key"] for part in after["parts"]] == before["keys"]
        assert sum(part["bytes"] for part in after["parts"]) == before["bytes"]
        assert after["metadata"] == before["metadata"]


def test_opening_it_again_changes_nothing(old: Old) -> None:
    before = homes.everything(old.settings)
    with open_stores(old.settings) as stores:
        assert Installation(stores._mongodb["mixpeek"], "").version() == CURRENT
    assert homes.everything(old.settings) == before


def test_every_record_can_be_read(old: Old) -> None:
    catalog = old.stores.catalog
    kept: list[Repository[Any]] = [catalog.organizations, catalog.api_keys, catalog.namespaces, catalog.plugins]
    kept += [catalog.plugin_uploads, catalog.buckets, catalog.objects, catalog.collections, catalog.batches]
    kept += [catalog.tasks, catalog.arrivals, catalog.listings, catalog.dead_letters]
    assert all(repository.all() for repository in kept)
    (key,) = catalog.api_keys.all()
    assert key.name == "reader"
    assert len(list(catalog.objects.of_batch(old.batch))) == 5


def test_kept_rows_of_version_0_are_read(old: Old) -> None:
    dataset = old.stores.artifacts.open(f"default/notes/features/{old.batch}")
    rows = sum(len(read_part(part)) for part in dataset.parts())
    assert rows == 5


def test_search_finds_what_was_written(old: Old) -> None:
    collection = old.collection("notes")
    plugin = load_plugin(old.stores.plugins.folder(collection.plugin))
    words = "rain falls in autumn"
    vector, query = embed_query(plugin, collection, old.namespace, words=words, file=None)
    found = old.stores.index.search(old.namespace.namespace_id, collection.collection_id, vector, query, limit=1)
    assert [hit.payload["object_key"] for hit in found] == ["files/rain.txt"]


@pytest.mark.parametrize(("name", "documents"), [("notes", 4), ("seconds", 4)])
def test_materializing_again_reuses_every_document(
    old: Old, instance: dg.DagsterInstance, name: str, documents: int
) -> None:
    outcome = materialize(instance, old.settings, old.item(name), old.batch, blobs=False)
    assert outcome.success, outcome.error
    assert old.ledger(name)["documents_reused"] == documents
    assert old.ledger(name)["documents_written"] == 0


def test_a_write_is_replayed_from_rows_that_earlier_code_kept(
    untouched: Old, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in homes.environment_of(untouched.settings).items():
        monkeypatch.setenv(name, value)
    collection = untouched.collection("notes")
    untouched.stores.index.delete_collection(collection.namespace_id, collection.collection_id)
    assert untouched.documents("notes") == 0
    documents = names.documents_key(untouched.namespace.address, "notes")
    outcome = materialize_assets(instance, untouched.settings, untouched.item("notes"), untouched.batch, [documents])
    assert outcome.success, outcome.error
    assert untouched.documents("notes") == 4


def test_a_bucket_in_sync_goes_on_where_it_was(old: Old) -> None:
    catalog = old.stores.catalog
    bucket = catalog.buckets.get_by_name(old.namespace.namespace_id, "landing")
    assert catalog.arrivals.counts(bucket.bucket_id) == {"seen": 1, "batched": 1}
    tick = look(catalog, old.stores.objects, bucket, run_state=lambda batch: RunState.ABSENT)
    assert [batch.object_count for batch in tick.to_run] == [1, 1]
    assert [letter.reason for letter in catalog.dead_letters.of_bucket(bucket.bucket_id)] == ["it is no JSON"]


def test_dagster_yaml_names_the_launcher_where_it_is_now(old: Old, instance: dg.DagsterInstance) -> None:
    text = (old.settings.dagster_home / "dagster.yaml").read_text(encoding="utf-8")
    assert "module: mixpeek_dagster.dagster_home.run_launcher" in text
    assert type(instance.run_launcher).__module__ == "mixpeek_dagster.dagster_home.run_launcher"


def test_the_handles_of_a_failed_run_can_be_read(old: Old) -> None:
    places = sorted((old.settings.spool_path / "handles").glob("*/*broken*Mark/rows"))
    (place,) = places
    manager = HandlesIOManager(base_dir=str(place.parents[2]))
    flow = manager.load_from_path(dg.build_input_context(), UPath(place))
    assert isinstance(flow, Flow)
    assert isinstance(flow.rows, Rows)
    assert isinstance(flow.rows.spool, FolderSpool)
    assert all(isinstance(report, StepReport) for report in flow.reports)
    assert flow.fetched == 5
