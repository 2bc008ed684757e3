"""One variant of the end-to-end benchmark per process: `python -P variants.py VARIANT ARGUMENT…`; prints JSON."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
from qdrant_client import QdrantClient, models

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.buckets import ensure_bucket
from mixpeek_dagster.catalog.linked import linked_plugin
from mixpeek_dagster.catalog.records import Collection, SourceReference
from mixpeek_dagster.cli.demo.story import example
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.dagster_home.runs import blobs_kept, materialize, materialize_blobs
from mixpeek_dagster.graph.catalog_source import CatalogSource
from mixpeek_dagster.graph.collection import Compilable
from mixpeek_dagster.graph.repository import CollectionsRepository
from mixpeek_dagster.operations.collections import create_collection
from mixpeek_dagster.operations.ingest import ingest_files
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.request import Container, ExtractorRequest
from mixpeek_dagster.private_api.dagster import snapshot
from mixpeek_dagster.settings import Settings

_BATCH = 64


def ours(folder: str, label: str) -> dict[str, float]:
    """Features and documents of a fresh collection, blobs already read."""
    with open_session() as session:
        item, batch_id = _prepared(session, Path(folder), label)
        return _materialize(session, item, batch_id)


def again(folder: str, label: str) -> dict[str, float]:
    """The same once more, nothing changed."""
    return ours(folder, label)


def bare(folder: str) -> dict[str, float]:
    """The same processor in a loop, then `upload_points`."""
    with open_session() as session:
        plugin = load_plugin(example("my_extractor"))
        (step,) = plugin.build_steps(ExtractorRequest.of(parameters={}), Container()).steps
        client = QdrantClient(url=session.stores.urls()["qdrant"], timeout=120)
        name = f"bare_{time.time_ns()}"
        client.create_collection(name, {"my_embedding": models.VectorParams(size=384, distance="Cosine")})
        texts = [path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.txt"))]
        started = time.perf_counter()
        _bare_loop(step.build(), texts, client, name)
        seconds = time.perf_counter() - started
        client.delete_collection(name)
        return {"seconds": seconds, "peak_rss_mb": _peak()}


def _bare_loop(processor: Callable[[pd.DataFrame], Any], texts: list[str], client: QdrantClient, name: str) -> None:
    for start in range(0, len(texts), _BATCH):
        part = processor(pd.DataFrame({"text": texts[start : start + _BATCH], "data": texts[start : start + _BATCH]}))
        points = [
            models.PointStruct(
                id=start + i, vector={"my_embedding": row.my_embedding}, payload={"sentiment": row.sentiment}
            )
            for i, row in enumerate(part.itertuples(index=False))
        ]
        client.upload_points(name, points, wait=True)


def compile_(count: str) -> dict[str, float]:
    """Catalog to the serialized repository snapshot that the UI receives."""
    settings = _many(int(count))
    started = time.perf_counter()
    data = CollectionsRepository(CatalogSource(settings), settings)
    size = len(dg.serialize_value(snapshot(dg.RepositoryDefinition("bench", repository_data=data))))
    return {"seconds": time.perf_counter() - started, "megabytes": size / 1e6}


def worker(count: str) -> dict[str, float]:
    """From the start of a process to one collection's job, with `count` collections in the catalog."""
    settings = _many(int(count))
    environment = {**os.environ, "MIXPEEK_MONGODB_DATABASE": settings.mongodb_database}
    command = [sys.executable, "-W", "ignore", "-c", _WORKER]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return {"seconds": time.perf_counter() - started}


_WORKER = """
import dagster as dg
dg.build_reconstructable_job("mixpeek_dagster.definitions", "job", ("default__c0003",))
"""


def _prepared(session: Session, folder: Path, label: str) -> tuple[Compilable, str]:
    batch = ingest_files(session.stores, session.namespace, f"bench_{folder.name.replace('-', '_')}", [folder])
    source = SourceReference(type="bucket", bucket_id=batch.bucket_id)
    name = f"bench_{label}".replace("-", "_")
    plugin = example("my_extractor")
    create_collection(session.stores, session.namespace, name, plugin=plugin, source=source)
    return session.compilable(name), batch.batch_id


def _materialize(session: Session, item: Compilable, batch_id: str) -> dict[str, float]:
    with session.dagster() as instance:
        if not blobs_kept(instance, item, batch_id):
            materialize_blobs(instance, session.settings, item, batch_id)
        started = time.perf_counter()
        outcome = materialize(instance, session.settings, item, batch_id, blobs=False)
        seconds = time.perf_counter() - started
    if not outcome.success:
        raise SystemExit(outcome.error)
    tier = session.stores.catalog.batches.get(batch_id).tiers[item.collection.collection_id]
    computed = tier["counters"]["documents_submitted_to_engine"]
    return {"seconds": seconds, "computed": computed, "peak_rss_mb": _peak()}


def _many(count: int) -> Settings:
    """Settings of a catalog database of its own with `count` collections of four steps each."""
    settings = Settings.load().model_copy(update={"mongodb_database": f"bench_{count}"})
    with open_session(settings) as session:
        catalog, namespace = session.stores.catalog, session.namespace
        if len(catalog.collections.find(namespace.namespace_id)) == count:
            return settings
        bucket = ensure_bucket(catalog, namespace, "many", settings.s3_bucket)
        plugin = linked_plugin(load_plugin(_four_steps(settings)).spec)
        for number in range(count):
            catalog.collections.insert(
                Collection(
                    collection_id=ids.derived_id(ids.Prefix.COLLECTION, namespace.namespace_id, f"c{number:04d}"),
                    namespace_id=namespace.namespace_id,
                    collection_name=f"c{number:04d}",
                    source=SourceReference(type="bucket", bucket_id=bucket.bucket_id),
                    plugin=plugin,
                    created_at=datetime.now(UTC),
                )
            )
    return settings


def _four_steps(settings: Settings) -> Path:
    folder = settings.home_path / "four_steps"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.py").write_text(_MANIFEST, encoding="utf-8")
    (folder / "pipeline.py").write_text(_PIPELINE, encoding="utf-8")
    return folder


_MANIFEST = """
feature_extractor_name = "four_steps"
version = "1.0.0"
description = "Four steps, for counting what compiling costs"
features = [
    {"feature_type": "embedding", "feature_name": "vector", "embedding_dim": 8, "distance_metric": "cosine"},
]
"""
_PIPELINE = """
from engine.plugins.extractors.pipeline import (
    PipelineDefinition, ResourceType, RowCondition, StepDefinition, build_pipeline_steps,
)


class Step:
    \"\"\"Pass rows on.\"\"\"

    def __init__(self, config=None):
        self.config = config

    def __call__(self, batch):
        return batch


class Read(Step): ...
class Clean(Step): ...
class Chunk(Step): ...
class Embed(Step): ...


def build_steps(extractor_request, **kwargs):
    kinds = ((Read, ResourceType.CPU), (Clean, ResourceType.CPU), (Chunk, ResourceType.CPU), (Embed, ResourceType.GPU))
    steps = [StepDefinition(service_class=k, resource_type=r, condition=RowCondition.IS_TEXT) for k, r in kinds]
    return {"steps": build_pipeline_steps(PipelineDefinition(name="four_steps", version="1.0.0", steps=steps))}
"""


def _peak() -> float:
    """Peak resident memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


VARIANTS: dict[str, Callable[..., dict[str, float]]] = {
    "ours": ours,
    "again": again,
    "bare": bare,
    "compile": compile_,
    "worker": worker,
}

if __name__ == "__main__":
    print(json.dumps(VARIANTS[sys.argv[1]](*sys.argv[2:])))
