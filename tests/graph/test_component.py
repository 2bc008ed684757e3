"""Collections from YAML go through the same compiler and run."""

from __future__ import annotations

from pathlib import Path

from dagster.components.testing import create_defs_folder_sandbox

from mixpeek_dagster.components import CollectionComponent
from mixpeek_dagster.graph import names
from tests.runs.conftest import World


def attributes(world: World, name: str, plugin: Path) -> dict[str, object]:
    return {
        "name": name,
        "bucket": "docs",
        "plugin": str(plugin),
        "namespace": world.namespace.namespace_name,
    }


def test_a_collection_in_yaml_is_the_same_three_assets(world: World) -> None:
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            CollectionComponent,
            defs_yaml_contents={
                "type": "mixpeek_dagster.components.CollectionComponent",
                "attributes": attributes(world, "notes", world.plugin()),
            },
        )
        with sandbox.load_component_and_build_defs(path) as (_, defs):
            graph = defs.resolve_asset_graph()

    namespace = world.namespace.namespace_name
    assert graph.get_all_asset_keys() == {
        names.blobs_key(namespace, "docs"),
        names.features_key(namespace, "notes"),
        names.documents_key(namespace, "notes"),
    }


def test_a_run_enters_the_collection_into_the_catalog(world: World) -> None:
    batch = world.ingest({"a.txt": "one"})
    with create_defs_folder_sandbox() as sandbox:
        path = sandbox.scaffold_component(
            CollectionComponent,
            defs_yaml_contents={
                "type": "mixpeek_dagster.components.CollectionComponent",
                "attributes": attributes(world, "notes", world.plugin()),
            },
        )
        with sandbox.load_component_and_build_defs(path) as (_, defs):
            job = defs.resolve_job_def(names.job_name(world.namespace.namespace_name, "notes"))
            result = job.execute_in_process(instance=world.instance, partition_key=batch.batch_id, raise_on_error=False)

    assert result.success
    collection = world.stores.catalog.collections.get_by_name(world.namespace.namespace_id, "notes")
    assert len(world.documents(collection)) == 1


def test_two_collections_of_one_bucket_share_its_blobs(world: World) -> None:
    with create_defs_folder_sandbox() as sandbox:
        for name in ("one", "two"):
            sandbox.scaffold_component(
                CollectionComponent,
                defs_path=name,
                defs_yaml_contents={
                    "type": "mixpeek_dagster.components.CollectionComponent",
                    "attributes": {**attributes(world, name, world.plugin()), "brings_blobs": name == "one"},
                },
            )
        with sandbox.build_all_defs() as defs:
            graph = defs.resolve_asset_graph()

    blobs = names.blobs_key(world.namespace.namespace_name, "docs")
    assert graph.get(blobs).child_keys == {
        names.features_key(world.namespace.namespace_name, name) for name in ("one", "two")
    }
