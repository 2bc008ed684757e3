"""The same collections on both backends: in this process, and on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixpeek_dagster.catalog.records import SourceReference
from mixpeek_dagster.dagster_home.outcome import RunOutcome
from mixpeek_dagster.dagster_home.runs import materialize_assets
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.catalog_source import compilables
from tests.runs.conftest import CHUNK, EMBED, PICKY, World

ASYNC_COUNTING = """
from collections import Counter


class Embed:
    def __init__(self):
        self.counters = Counter()

    async def __call__(self, batch):
        self.counters["letters"] += sum(map(len, batch["data"]))
        return batch.assign(vector=[[1.0, 2.0, 3.0, 4.0]] * len(batch))


STEPS = [Embed]
"""
BROKEN = """
class Embed:
    def __init__(self):
        raise OSError("no weights")

    def __call__(self, batch):
        return batch


STEPS = [Embed]
"""
PREPARED = """
from engine.plugins.extractors.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps
from .processors.core import Embed


def shorten(batch):
    return batch.assign(data=batch["data"].str[:3])


def build_steps(extractor_request, **kwargs):
    steps = [StepDefinition(service_class=Embed)]
    return {"steps": build_pipeline_steps(PipelineDefinition("p", "1", steps)), "prepare": shorten}
"""
PNG = b"\x89PNG\r\n\x1a\n0"
Make = Callable[..., World]


@pytest.fixture(params=["in_process", pytest.param("ray", marks=pytest.mark.slow)])
def make(request: pytest.FixtureRequest, make_world: Make) -> Make:
    """Worlds whose steps run on either backend, two rows at a time."""
    place = {"ray_address": request.getfixturevalue("ray").address} if request.param == "ray" else {}
    return lambda **changes: make_world(chunk_rows=2, batch_size=2, **place, **changes)


def chunker(world: World, core: str = CHUNK) -> Path:
    folder = world.plugin(core, name="chunker")
    (folder / "processors" / "embed.py").write_text(EMBED, encoding="utf-8")
    return folder


def lengths(world: World, collection: Any) -> dict[str, int]:
    return {d["object_key"].removeprefix("files/"): d["length"] for d in world.documents(collection)}


def steps(world: World, outcome: RunOutcome) -> dict[str, dict[str, Any]]:
    """Metadata of the run's steps by name."""
    events = world.instance.all_logs(outcome.run_id)
    outputs = [e.dagster_event for e in events if e.dagster_event and e.dagster_event.is_successful_output]
    return {
        str(event.step_key).rpartition(".")[2]: {k: v.value for k, v in event.step_output_data.metadata.items()}
        for event in outputs
        if event.step_output_data.metadata
    }


def test_every_row_becomes_a_document_with_its_vector_and_fields(make: Make) -> None:
    world = make()
    collection = world.collection(world.plugin())
    batch = world.ingest({f"{n}.txt": "x" * n for n in range(1, 6)})

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    assert lengths(world, collection) == {f"{n}.txt": n for n in range(1, 6)}
    for document in world.documents(collection):
        vector = world.stores.index.vectors_of(world.namespace.namespace_id, document["document_id"])["vector"]
        text = "x" * document["length"]
        wanted = np.array([float(len(text)), float(sum(map(ord, text)) % 97), 1.0, 0.5])
        assert vector @ wanted / (np.linalg.norm(vector) * np.linalg.norm(wanted)) == pytest.approx(1.0, abs=1e-5)


def test_filtered_and_failed_rows_are_listed_with_their_reasons(make: Make) -> None:
    world = make()
    collection = world.collection(world.plugin(PICKY))
    batch = world.ingest(
        {"a.txt": "one", "b.txt": "poison", "c.png": b"\x89PNG\r\n\x1a\n0", "d.txt": "four", "e.txt": "x"}
    )

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    ledger = world.ledger(collection, batch)
    assert (ledger["documents_written"], ledger["documents_filtered"], ledger["documents_failed"]) == (3, 1, 1)
    assert world.status(outcome) == "COMPLETED_WITH_ERRORS"
    (task,) = world.stores.catalog.tasks.of_run(outcome.run_id)
    assert "cannot read this" in str(task)
    report = steps(world, outcome)["Embed"]
    assert (report["rows_in"], report["rows_matched"], report["rows_failed"]) == (5, 4, 1)


def test_rows_made_of_one_are_documents_of_their_own(make: Make) -> None:
    world = make()
    collection = world.collection(chunker(world))
    batch = world.ingest({f"{n}.txt": "|".join("abcdefg"[: n + 1]) for n in range(5)})

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    documents = world.documents(collection)
    assert len({d["document_id"] for d in documents}) == len(documents) == 15
    assert sorted((d["object_key"], d["line"]) for d in documents) == [
        (f"files/{n}.txt", line) for n in range(5) for line in range(n + 1)
    ]
    assert [report["rows_out"] for report in steps(world, outcome).values() if "rows_out" in report] == [15, 15]


def test_a_processor_that_cannot_be_made_fails_every_row_with_the_reason(make: Make) -> None:
    world = make()
    collection = world.collection(world.plugin(BROKEN))
    batch = world.ingest({f"{n}.txt": "one" for n in range(3)})

    outcome = world.run(collection, batch)

    assert not outcome.success
    assert "no weights" in str(outcome.error)
    assert world.ledger(collection, batch)["documents_failed"] == 3


def test_an_async_processor_counts(make: Make) -> None:
    world = make()
    collection = world.collection(world.plugin(ASYNC_COUNTING))
    batch = world.ingest({f"{n}.txt": "x" * n for n in range(1, 6)})

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    assert steps(world, outcome)["Embed"]["letters"] == 15


def test_prepare_sees_the_rows_first(make: Make) -> None:
    world = make()
    folder = world.plugin()
    (folder / "pipeline.py").write_text(PREPARED, encoding="utf-8")
    collection = world.collection(folder)
    batch = world.ingest({"a.txt": "longer", "b.txt": "ab", "c.txt": "abcd"})

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    assert lengths(world, collection) == {"a.txt": 3, "b.txt": 2, "c.txt": 3}


def test_two_plugins_with_folders_of_one_name_feed_each_other(make: Make) -> None:
    world = make()
    first = world.collection(
        world.plugin(EMBED.replace("len(t) for t in batch", "len(t) * 100 for t in batch")), "first"
    )
    other = world.plugin(EMBED.replace('"length"', '"size"'), name="other")
    source = SourceReference(type="collection", collection_id=first.collection_id)
    second = world.collection(other, "second", source=source)
    batch = world.ingest({"a.txt": "one", "b.txt": "three", "c.txt": "x"})

    assert world.run(first, batch).success
    outcome = world.run(second, batch)

    assert outcome.success, outcome.error
    assert sorted(lengths(world, first).values()) == [100, 300, 500]
    assert sorted(d["size"] for d in world.documents(second)) == [1, 3, 5]


def test_documents_alone_are_replayed_and_unchanged_rows_reused(make: Make) -> None:
    world = make()
    collection = world.collection(world.plugin())
    batch = world.ingest({"a.txt": "one", "b.txt": "two", "c.txt": "x"})
    world.run(collection, batch)
    sources = [b.blob_id for o in world.stores.catalog.objects.of_bucket(world.bucket_id) for b in o.blobs]
    world.stores.index.retire(world.namespace.namespace_id, collection.collection_id, sources, keep_run="none")
    (item,) = compilables(
        world.stores.catalog.snapshot_of([collection.collection_id]),
        world.stores.plugins.load,
        only=collection.collection_id,
    )

    key = names.documents_key(world.namespace.namespace_name, "notes")
    # The rows are kept, so writing them again needs no worker.
    replayed = materialize_assets(world.instance, world.settings, item, batch.batch_id, [key])
    again = world.run(collection, batch)

    assert replayed.success, replayed.error
    assert again.success, again.error
    assert len(world.documents(collection)) == 3
    assert world.ledger(collection, batch)["documents_reused"] == 3


def test_nothing_is_left_between_the_steps(make: Make) -> None:
    world = make()
    collection = world.collection(chunker(world))
    batch = world.ingest({"a.txt": "one|two|three", "b.txt": "x"})

    outcome = world.run(collection, batch)

    prefix = f"_spool/{outcome.run_id}/{collection.collection_id}"
    assert world.stores.objects.keys(f"{prefix}/") == []
    assert not (world.settings.spool_path / outcome.run_id / collection.collection_id).exists()
