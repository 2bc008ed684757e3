"""A collection's features and documents, blobs already read: `python collection_run.py FOLDER LABEL`.

Prints the seconds of the run, loading of the model included, and how many rows reached it. Runs on the Ray cluster of
`MIXPEEK_RAY_ADDRESS` if there is one.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

from bench.engine_variants.measuring import finish, peak_mb
from mixpeek_dagster.catalog.records import SourceReference
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.dagster_home.runs import blobs_kept, materialize, materialize_blobs
from mixpeek_dagster.graph.collection import Compilable
from mixpeek_dagster.operations.collections import create_collection
from mixpeek_dagster.operations.ingest import ingest_files

_PLUGINS = Path(__file__).with_name("plugins")


def main(folder: str, label: str) -> None:
    """Measure."""
    with open_session() as session:
        batch = ingest_files(
            session.stores, session.namespace, f"bench_{Path(folder).name.replace('-', '_')}", [Path(folder)]
        )
        source = SourceReference(type="bucket", bucket_id=batch.bucket_id)
        name = f"bench_{label}".replace("-", "_")
        create_collection(session.stores, session.namespace, name, plugin=_PLUGINS / "text_vectors", source=source)
        with session.dagster() as instance:
            item = session.compilable(name)
            if not blobs_kept(instance, item, batch.batch_id):
                materialize_blobs(instance, session.settings, item, batch.batch_id)
        finish(**run(session, item, batch.batch_id))


def run(session: Session, item: Compilable, batch_id: str) -> dict[str, float]:
    """Materialize features and documents; seconds, documents in Qdrant and peak memory.

    Raises:
        SystemExit: the run failed.
    """
    if session.settings.ray_address:
        # The time of jobs written for Ray begins after its import, too.
        importlib.import_module("ray.data")
    with session.dagster() as instance:
        started = time.perf_counter()
        outcome = materialize(instance, session.settings, item, batch_id, blobs=False)
        seconds = time.perf_counter() - started
    if not outcome.success:
        raise SystemExit(outcome.error)
    tier = session.stores.catalog.batches.get(batch_id).tiers[item.collection.collection_id]
    return {"seconds": seconds, "written": tier["counters"]["documents_written"], "peak_mb": peak_mb()}


if __name__ == "__main__":
    main(*sys.argv[1:])
