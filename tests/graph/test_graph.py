"""The asset graph of collections: keys, ops, checks, groups, tags; broken plugins; what a run worker builds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import dagster as dg
import pytest

from mixpeek_dagster.catalog.records import Bucket, Collection, Namespace
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.catalog_source import CatalogSource, compilables
from mixpeek_dagster.graph.collection import Compilable
from mixpeek_dagster.graph.repository import CollectionsRepository
from mixpeek_dagster.private_api.dagster import snapshot
from mixpeek_dagster.runs.checks import Check
from tests.runs.conftest import EMBED, World

CLEAN = '''
class Clean:
    """Tidy up."""

    def __call__(self, batch):
        return batch


STEPS = [Clean, Embed]
'''
TWO_STEPS = EMBED.replace("STEPS = [Embed]", CLEAN)


@dataclass
class CountingSource:
    """What a repository asks for, counted."""

    items: Sequence[Compilable]
    asked: list[str] = field(default_factory=list)

    def buckets(self) -> Sequence[tuple[Namespace, Bucket]]:
        self.asked.append("buckets")
        return list({item.bucket.bucket_id: (item.namespace, item.bucket) for item in self.items}.values())

    def collections(self) -> Sequence[Compilable]:
        self.asked.append("collections")
        return self.items

    def collection(self, job_name: str) -> Compilable | None:
        self.asked.append(job_name)
        for item in self.items:
            if names.job_name(item.namespace.namespace_name, item.collection.collection_name) == job_name:
                return item
        return None

    def bucket(self, job_name: str) -> Sequence[Compilable]:
        self.asked.append(job_name)
        return ()


def repository(world: World, *collections: Collection) -> tuple[dg.RepositoryDefinition, CountingSource]:
    snapshot = world.stores.catalog.snapshot_of([c.collection_id for c in collections])
    source = CountingSource(compilables(snapshot, world.stores.plugins.load))
    data = CollectionsRepository(source, world.settings)
    return dg.RepositoryDefinition("test", repository_data=data), source


def keys(world: World, collection: str = "notes") -> tuple[dg.AssetKey, dg.AssetKey, dg.AssetKey]:
    namespace = world.namespace.namespace_name
    return (
        names.blobs_key(namespace, "docs"),
        names.features_key(namespace, collection),
        names.documents_key(namespace, collection),
    )


def test_a_collection_is_three_assets_in_a_row(world: World) -> None:
    repo, _ = repository(world, world.collection(world.plugin()))
    blobs, features, documents = keys(world)

    graph = repo.asset_graph

    assert graph.get(features).parent_keys == {blobs}
    assert graph.get(documents).parent_keys == {features}
    assert [key.path[1:] for key in (blobs, features, documents)] == [
        ["docs", "blobs"],
        ["notes", "features"],
        ["notes", "documents"],
    ]


def test_one_op_per_step_named_after_its_class(world: World) -> None:
    repo, _ = repository(world, world.collection(world.plugin(TWO_STEPS)))
    _, features, _ = keys(world)

    graph = repo.assets_defs_by_key[features].node_def

    assert isinstance(graph, dg.GraphDefinition)
    assert [node.name for node in graph.nodes_in_topological_order] == [
        "select_rows",
        "Clean",
        "Embed",
        "keep_features",
    ]


def test_an_op_is_described_by_its_docstring_resource_and_condition(world: World) -> None:
    repo, _ = repository(world, world.collection(world.plugin(TWO_STEPS, condition="IS_TEXT")))
    _, features, _ = keys(world)
    graph = repo.assets_defs_by_key[features].node_def
    assert isinstance(graph, dg.GraphDefinition)

    description = graph.node_named("Clean").definition.description or ""

    assert "Tidy up." in description
    assert "cpu" in description
    assert "IS_TEXT" in description


def test_the_same_step_is_one_definition_for_all_collections(world: World) -> None:
    plugin = world.plugin()
    repo, _ = repository(world, world.collection(plugin, name="one"), world.collection(plugin, name="two"))
    graphs = [repo.assets_defs_by_key[keys(world, name)[1]].node_def for name in ("one", "two")]

    first, second = (graph.node_named("Embed").definition for graph in graphs if isinstance(graph, dg.GraphDefinition))

    assert first is second


def test_documents_carry_every_check_as_a_blocking_one(world: World) -> None:
    repo, _ = repository(world, world.collection(world.plugin()))
    documents = repo.assets_defs_by_key[keys(world)[2]]

    specs = list(documents.check_specs)

    assert {spec.name for spec in specs} == {check.value for check in Check}
    assert all(spec.blocking for spec in specs)


def test_groups_and_kinds_tell_the_ui_what_is_what(world: World) -> None:
    repo, _ = repository(world, world.collection(world.plugin()))
    blobs, features, documents = (repo.asset_graph.get(key) for key in keys(world))

    assert (blobs.group_name, features.group_name, documents.group_name) == ("docs", "notes", "notes")
    assert "s3" in blobs.kinds
    assert "python" in features.kinds
    assert "qdrant" in documents.kinds


def test_all_assets_of_a_bucket_share_its_batches(world: World) -> None:
    repo, _ = repository(world, world.collection(world.plugin()))

    partitions = {repo.asset_graph.get(key).partitions_def for key in keys(world)}

    assert partitions == {dg.DynamicPartitionsDefinition(name=f"{world.namespace.namespace_name}/docs")}


def test_the_description_shows_steps_vectors_and_parameters(world: World) -> None:
    plugin = world.plugin(extra='parameter_schema = {"limit": {"type": "integer"}}')
    repo, _ = repository(world, world.collection(plugin, parameters={"limit": 7}))

    description = repo.asset_graph.get(keys(world)[1]).description or ""

    assert "`vector` (4, cosine)" in description
    assert "| Embed | cpu | ALWAYS |" in description
    assert '"limit": 7' in description


def test_a_broken_plugin_breaks_its_own_collection_alone(world: World) -> None:
    good, bad = world.collection(world.plugin()), world.collection(world.plugin(name="bad"), name="bad")
    (world.tmp_path / "bad" / "pipeline.py").write_text("import no_such_module\n", encoding="utf-8")

    repo, _ = repository(world, good, bad)

    graph = repo.asset_graph
    assert "does not load" in (graph.get(keys(world, "bad")[1]).description or "")
    assert "no_such_module" in (graph.get(keys(world, "bad")[2]).description or "")
    assert "does not load" not in (graph.get(keys(world)[1]).description or "")


def test_the_repository_serializes_for_the_ui(world: World) -> None:
    repo, _ = repository(world, world.collection(world.plugin()))

    sent = snapshot(repo)

    assert {job.name for job in sent.job_refs or []} >= {
        names.job_name(world.namespace.namespace_name, "notes"),
        names.bucket_job_name(world.namespace.namespace_name, "docs"),
    }
    assert len(dg.serialize_value(sent)) > 1000


def test_a_run_worker_reads_one_collection_and_no_other(world: World) -> None:
    plugin = world.plugin()
    repo, source = repository(world, world.collection(plugin, name="one"), world.collection(plugin, name="two"))
    job = names.job_name(world.namespace.namespace_name, "two")

    asset_keys = repo.get_job(job).asset_layer.selected_asset_keys

    assert source.asked == [job]
    assert asset_keys == set(keys(world, "two"))


def test_the_catalog_is_the_source(world: World) -> None:
    world.collection(world.plugin(), name="one")
    source = CatalogSource(world.settings)
    job = names.job_name(world.namespace.namespace_name, "one")

    found = source.collection(job)

    assert found is not None
    assert found.collection.collection_name == "one"
    assert source.collection("no_such_job") is None
    assert world.bucket_id in [bucket.bucket_id for _, bucket in source.buckets()]


@pytest.mark.parametrize(
    ("left", "right"), [(("a_b", "c"), ("a", "b_c")), (("a", "b-c"), ("a", "b_c")), (("a__b", "c"), ("a", "b__c"))]
)
def test_job_names_never_collide(left: tuple[str, str], right: tuple[str, str]) -> None:
    assert names.job_name(*left) != names.job_name(*right)


def test_chained_collections_are_joined_by_an_edge(world: World) -> None:
    from mixpeek_dagster.catalog.records import SourceReference

    first = world.collection(world.plugin(), name="first")
    source = SourceReference(type="collection", collection_id=first.collection_id)
    second = world.collection(world.plugin(name="second"), name="second", source=source)

    repo, _ = repository(world, first, second)

    parents = repo.asset_graph.get(keys(world, "second")[1]).parent_keys
    assert parents == {keys(world)[0], keys(world, "first")[2]}
