"""One batch through one collection: in this process, or as a run of the Dagster that serves this installation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixpeek_dagster.catalog.records import Batch, Bucket, Collection
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.dagster_home import graphql
from mixpeek_dagster.dagster_home.outcome import CheckOutcome, RunOutcome
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.operations.batches import batch_of_bucket
from mixpeek_dagster.operations.collections import root_bucket
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores

if TYPE_CHECKING:
    from mixpeek_dagster.graph.collection import Compilable

# Dagster takes longer to import than all else here, so it is imported where a run is made of something.


@dataclass(frozen=True)
class Materialized:
    """What became of a run.

    Args:
        ledger: the row ledger; empty if the run ended before the documents were counted.
    """

    run_id: str
    success: bool
    ledger: dict[str, int]
    checks: tuple[CheckOutcome, ...]
    error: str | None


def materialize(
    stores: Stores, view: NamespaceView, collection: str, batch_id: str | None = None, *, recompute: bool = False
) -> Materialized:
    """Run a batch through a collection in this process, and read back the ledger.

    Args:
        collection: by id or name.
        batch_id: None for the newest batch of its bucket.
        recompute: run the steps on unchanged rows, too.

    Raises:
        NotFound: no such collection or batch.
    """
    from mixpeek_dagster.dagster_home import runs

    record, batch, bucket = _wanted(view, collection, batch_id)
    item = _compilable(stores, record)
    settings = stores.settings
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    with runs.open_instance(settings) as instance:
        runs.add_batch(instance, view.namespace.address, bucket.bucket_name, batch.batch_id)
        blobs = not runs.blobs_kept(instance, item, batch.batch_id)
        outcome = runs.materialize(instance, settings, item, batch.batch_id, blobs=blobs, recompute=recompute)
    return _with_ledger(view, record, batch.batch_id, outcome)


def launch(
    stores: Stores, view: NamespaceView, collection: str, batch_id: str | None = None, *, recompute: bool = False
) -> tuple[str, str]:
    """Have the running Dagster take a batch through a collection.

    Returns:
        Ids of the run and of the batch.

    Raises:
        NotFound: no such collection or batch.
        ServingError: no Dagster runs, or it refuses.
    """
    from mixpeek_dagster.graph import names
    from mixpeek_dagster.graph.collection import recompute_config
    from mixpeek_dagster.graph.repository import REPOSITORY_NAME

    record, batch, bucket = _wanted(view, collection, batch_id)
    url = _require_dagster(stores.settings)
    namespace, name = view.namespace.address, record.collection_name
    assets = [names.features_key(namespace, name).path, names.documents_key(namespace, name).path]
    blobs = names.blobs_key(namespace, bucket.bucket_name).path
    if not graphql.is_materialized(url, blobs, batch.batch_id):
        assets.insert(0, blobs)
    wanted = graphql.Launch(
        job=names.job_name(namespace, name),
        partition=batch.batch_id,
        partitions=names.partitions_name(namespace, bucket.bucket_name),
        assets=assets,
        config=recompute_config(namespace, [record]) if recompute else {},
    )
    return graphql.launch(url, REPOSITORY_NAME, wanted), batch.batch_id


def launched(stores: Stores, view: NamespaceView, collection: str, batch_id: str, run_id: str) -> Materialized | None:
    """What became of a run that `launch` began; None while it waits or goes on.

    Raises:
        NotFound: no such collection, batch, or run of that batch.
        ServingError: no Dagster runs.
    """
    record, batch, _ = _wanted(view, collection, batch_id)
    outcome = graphql.run_outcome(_require_dagster(stores.settings), run_id, batch.batch_id)
    return _with_ledger(view, record, batch.batch_id, outcome) if outcome else None


def _wanted(view: NamespaceView, collection: str, batch_id: str | None) -> tuple[Collection, Batch, Bucket]:
    record = view.collections.get_by_identifier(view.id, collection)
    bucket = view.buckets.get(root_bucket(view, record))
    return record, batch_of_bucket(view, bucket, batch_id), bucket


def _compilable(stores: Stores, collection: Collection) -> Compilable:
    from mixpeek_dagster.graph.catalog_source import compilables

    snapshot = stores.catalog.snapshot_of([collection.collection_id])
    return compilables(snapshot, stores.plugins.load, only=collection.collection_id)[0]


def _require_dagster(settings: Settings) -> str:
    url = graphql.ui_url(settings)
    if url is None:
        fix = "Run `mixpeek up` there, or set MIXPEEK_DAGSTER_URL for the API"
        raise ServingError("materialize", why="no Dagster runs on the API's home folder, so nothing would run", fix=fix)
    return url


def _with_ledger(view: NamespaceView, collection: Collection, batch_id: str, outcome: RunOutcome) -> Materialized:
    tier: dict[str, Any] = view.batches.get(batch_id).tiers.get(collection.collection_id, {})
    ledger = tier.get("counters", {}) if tier.get("run_id") == outcome.run_id else {}
    return Materialized(outcome.run_id, outcome.success, ledger, outcome.checks, outcome.error)
