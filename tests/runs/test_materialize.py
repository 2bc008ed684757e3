"""One collection on one batch: what is written, reused, replaced, replayed and refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mixpeek_dagster.catalog.records import SourceReference
from mixpeek_dagster.dagster_home.runs import materialize_assets
from mixpeek_dagster.errors import AlreadyExists, ManifestError, PluginError, VectorClash
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.catalog_source import compilables
from tests.runs.conftest import CHUNK, EMBED, PICKY, World

COUNTING = EMBED.replace(
    "    def __call__",
    '    """Counts its calls in a file."""\n\n    def _count(self, batch):\n'
    '        with open(CALLS, "a") as file:\n            file.write("x" * len(batch))\n\n    def __call__',
).replace('        batch["vector"]', '        self._count(batch)\n        batch["vector"]')


def calls(world: World) -> int:
    path = world.tmp_path / "calls"
    return len(path.read_text()) if path.exists() else 0


@pytest.fixture
def counting(world: World) -> str:
    return f"CALLS = {str(world.tmp_path / 'calls')!r}\n{COUNTING}"


def test_every_row_becomes_a_document_with_its_fields(world: World) -> None:
    collection = world.collection(world.plugin())
    batch = world.ingest({"a.txt": "one", "b.md": "three", "ü and + space.txt": "x"})

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    assert {d["object_key"]: d["length"] for d in world.documents(collection)} == {
        "files/a.txt": 3,
        "files/b.md": 5,
        "files/ü and + space.txt": 1,
    }
    assert world.status(outcome) == "COMPLETED"


def test_the_vector_in_qdrant_is_the_processors(world: World) -> None:
    collection = world.collection(world.plugin())
    batch = world.ingest({"a.txt": "one"})
    world.run(collection, batch)

    (document,) = world.documents(collection)
    vector = world.stores.index.vectors_of(world.namespace.namespace_id, document["document_id"])["vector"]

    wanted = np.array([3.0, float(sum(map(ord, "one")) % 97), 1.0, 0.5])
    assert vector @ wanted / (np.linalg.norm(vector) * np.linalg.norm(wanted)) == pytest.approx(1.0, abs=1e-5)


def test_a_second_run_computes_nothing(world: World, counting: str) -> None:
    collection = world.collection(world.plugin(counting))
    batch = world.ingest({f"{n}.txt": f"text {n}" for n in range(5)})
    world.run(collection, batch)
    before = calls(world)

    outcome = world.run(collection, batch)

    assert outcome.success
    assert calls(world) == before == 5
    assert world.ledger(collection, batch)["documents_reused"] == 5
    assert any("nothing to do" in check.message for check in outcome.checks)


def test_recompute_runs_the_steps_again(world: World, counting: str) -> None:
    collection = world.collection(world.plugin(counting))
    batch = world.ingest({"a.txt": "one"})
    world.run(collection, batch)

    assert world.run(collection, batch, recompute=True).success

    assert calls(world) == 2


def test_only_a_changed_file_is_computed_again(world: World, counting: str) -> None:
    collection = world.collection(world.plugin(counting))
    world.run(collection, world.ingest({"a.txt": "one", "b.txt": "two"}))

    batch = world.ingest({"a.txt": "one", "b.txt": "changed"})
    assert world.run(collection, batch).success

    assert calls(world) == 3
    assert sorted(d["length"] for d in world.documents(collection)) == [3, 7]


def test_changed_code_is_computed_again(world: World, counting: str) -> None:
    collection = world.collection(world.plugin(counting))
    batch = world.ingest({"a.txt": "one"})
    world.run(collection, batch)
    world.plugin(counting.replace("% 97", "% 89"))

    assert world.run(collection, batch).success

    assert calls(world) == 2


def chunker(world: World) -> World:
    folder = world.plugin(CHUNK, name="chunker")
    (folder / "processors" / "embed.py").write_text(EMBED, encoding="utf-8")
    return world


def test_a_step_may_make_many_rows_of_one(world: World) -> None:
    collection = chunker(world).collection(world.tmp_path / "chunker")
    batch = world.ingest({"a.txt": "one|two|three", "b.txt": "single"})

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    documents = world.documents(collection)
    assert len({d["document_id"] for d in documents}) == 4
    assert world.ledger(collection, batch)["sources_written"] == 2
    assert world.ledger(collection, batch)["documents_written"] == 4


def test_a_changed_object_replaces_all_its_old_segments(world: World) -> None:
    collection = chunker(world).collection(world.tmp_path / "chunker")
    world.run(collection, world.ingest({"a.txt": "one|two|three"}))

    batch = world.ingest({"a.txt": "only"})
    assert world.run(collection, batch).success

    assert [d["_internal"]["snippet"] for d in world.documents(collection)] == ["only"]


def test_a_segmented_object_that_is_unchanged_is_reused(world: World) -> None:
    collection = chunker(world).collection(world.tmp_path / "chunker")
    batch = world.ingest({"a.txt": "one|two|three"})
    world.run(collection, batch)

    assert world.run(collection, batch).success

    assert world.ledger(collection, batch)["documents_reused"] == 1
    assert len(world.documents(collection)) == 3


def test_a_poisonous_row_costs_only_itself(world: World) -> None:
    collection = world.collection(world.plugin(PICKY))
    contents: dict[str, str | bytes] = {"bad.txt": "poison", **{f"{n}.txt": f"text {n}" for n in range(9)}}

    batch = world.ingest(contents)
    outcome = world.run(collection, batch)

    assert outcome.success
    assert world.status(outcome) == "COMPLETED_WITH_ERRORS"
    assert world.ledger(collection, batch)["documents_written"] == 9
    (task,) = world.stores.catalog.tasks.of_run(outcome.run_id)
    (error,) = task.errors
    assert error["object_key"] == "files/bad.txt"
    assert error["stage"] == "Embed"
    assert "cannot read this" in error["message"]
    assert "core.py:" in error["message"]
    assert error["recovery_suggestion"]


def test_a_failed_row_is_tried_again_and_the_others_are_not(world: World, counting: str) -> None:
    picky = counting.replace(
        "        self._count(batch)",
        "        self._count(batch)\n"
        '        if any("poison" in t for t in batch["data"]):\n            raise ValueError("no")',
    )
    collection = world.collection(world.plugin(picky))
    batch = world.ingest({"a.txt": "one", "bad.txt": "poison"})
    world.run(collection, batch)
    before = calls(world)

    outcome = world.run(collection, batch)

    assert calls(world) == before + 1
    assert world.ledger(collection, batch)["documents_reused"] == 1
    assert world.ledger(collection, batch)["documents_failed"] == 1
    assert outcome.success


def test_documents_alone_are_replayed_from_kept_features(world: World, counting: str) -> None:
    collection = world.collection(world.plugin(counting))
    batch = world.ingest({"a.txt": "one", "b.txt": "two"})
    world.run(collection, batch)
    sources = [b.blob_id for o in world.stores.catalog.objects.of_bucket(world.bucket_id) for b in o.blobs]
    index, namespace = world.stores.index, world.namespace.namespace_id
    index.retire(namespace, collection.collection_id, sources, keep_run="none")
    assert world.documents(collection) == []

    (item,) = compilables(
        world.stores.catalog.snapshot_of([collection.collection_id]),
        world.stores.plugins.load,
        only=collection.collection_id,
    )
    key = names.documents_key(world.namespace.namespace_name, "notes")
    outcome = materialize_assets(world.instance, world.settings, item, batch.batch_id, [key])

    assert outcome.success, outcome.error
    assert calls(world) == 2
    assert len(world.documents(collection)) == 2


def test_more_rows_than_a_chunk_holds(make_world: Callable[..., World]) -> None:
    world = make_world(chunk_rows=3, batch_size=2)
    collection = chunker(world).collection(world.tmp_path / "chunker")
    batch = world.ingest({f"{n:02}.txt": "|".join("abcde"[: n % 5 + 1]) for n in range(20)})

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    assert world.ledger(collection, batch)["documents_written"] == sum(n % 5 + 1 for n in range(20))


def test_a_collection_fed_by_a_collection(world: World) -> None:
    chunks = chunker(world).collection(world.tmp_path / "chunker", name="chunks")
    batch = world.ingest({"a.txt": "one|two|three"})
    assert world.run(chunks, batch).success
    upper = EMBED.replace('for t in batch["data"]', 'for t in batch["line"].astype(str)').replace(
        "class Embed", "class Lines"
    )
    plugin = world.plugin(
        upper.replace("[Embed]", "[Lines]"),
        name="lines",
        inputs='{"type": "object", "properties": {"line": {"type": "integer"}}, "required": ["line"]}',
    )
    source = SourceReference(type="collection", collection_id=chunks.collection_id)
    lines = world.collection(plugin, name="lines", source=source)

    outcome = world.run(lines, batch)

    assert outcome.success, outcome.error
    assert world.ledger(lines, batch)["source_documents_fetched"] == 3
    assert sorted(d["line"] for d in world.documents(lines)) == [0, 1, 2]


def test_a_clash_of_vectors_is_refused_when_the_collection_is_made(world: World) -> None:
    world.collection(world.plugin())
    folder = world.plugin(name="other")
    manifest = folder / "manifest.py"
    manifest.write_text(manifest.read_text().replace('"embedding_dim": 4', '"embedding_dim": 5'))

    with pytest.raises(VectorClash, match="holds one of that name with 4 numbers"):
        world.collection(folder, name="clashing")

    assert world.stores.catalog.collections.find_by_name(world.namespace.namespace_id, "clashing") is None


def test_a_wrong_manifest_is_refused_when_the_collection_is_made(world: World) -> None:
    folder = world.plugin()
    manifest = folder / "manifest.py"
    manifest.write_text(manifest.read_text().replace("feature_name", "name"))

    with pytest.raises(ManifestError, match="'name'"):
        world.collection(folder)


def test_the_same_definition_again_is_the_same_collection(world: World) -> None:
    first = world.collection(world.plugin())
    assert world.collection(world.plugin()).collection_id == first.collection_id


def test_a_name_with_another_definition_is_taken(world: World) -> None:
    world.collection(world.plugin())
    with pytest.raises(AlreadyExists, match="source"):
        world.collection(world.plugin(), filters={"mime_type": "text/plain"})


def test_a_wrong_parameter_is_refused_with_its_name(world: World) -> None:
    schema = 'parameter_schema = {"limit": {"type": "integer"}}'
    with pytest.raises(PluginError, match="limit"):
        world.collection(world.plugin(extra=schema), parameters={"limit": "many"})


def test_a_plugin_that_breaks_later_fails_its_own_run_with_its_own_words(world: World) -> None:
    collection = world.collection(world.plugin())
    batch = world.ingest({"a.txt": "one"})
    (world.tmp_path / "plugin" / "pipeline.py").write_text("import no_such_module\n", encoding="utf-8")

    outcome = world.run(collection, batch)

    assert not outcome.success
    assert "no_such_module" in (outcome.error or "")
    assert "Traceback" not in (outcome.error or "")
