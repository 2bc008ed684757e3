"""A collection as assets and a job: the compiler's unit of work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mixpeek_dagster.catalog.records import Bucket, Collection, Namespace
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.blobs import partitions
from mixpeek_dagster.graph.documents import documents_asset
from mixpeek_dagster.graph.features import features_asset
from mixpeek_dagster.graph.steps import chained_select_op, select_op
from mixpeek_dagster.plugins.plugin import LoadedPlugin


@dataclass(frozen=True)
class Compilable:
    """A collection with what it hangs on.

    Args:
        namespace: where it lives.
        bucket: the bucket at the root of its sources.
        collection: what to compile.
        plugin: the loaded plugin, or why it cannot be had.
        upstream: name of the collection that feeds it, if one does.
        declared: its definition lives in YAML, so a run must first enter it into the catalog.
    """

    namespace: Namespace
    bucket: Bucket
    collection: Collection
    plugin: LoadedPlugin | MixpeekError
    upstream: str | None = None
    declared: bool = False

    @property
    def loaded(self) -> LoadedPlugin:
        """The plugin.

        Raises:
            MixpeekError: it does not load.
        """
        if isinstance(self.plugin, MixpeekError):
            raise self.plugin
        return self.plugin


def compile_collection(item: Compilable) -> list[dg.AssetsDefinition]:
    """`features` and `documents` of a collection.

    A plugin that does not load becomes assets that say so and fail with that error: it never breaks its neighbours.
    """
    try:
        return list(_assets(item, item.loaded))
    except MixpeekError as error:
        return list(_broken(item, error))


def collection_job(item: Compilable) -> dg.UnresolvedAssetJobDefinition:
    """The job that takes one batch from the bucket's blobs to this collection's documents."""
    namespace, collection = item.namespace.address, item.collection.collection_name
    return dg.define_asset_job(
        names.job_name(namespace, collection),
        selection=dg.AssetSelection.assets(
            names.blobs_key(namespace, item.bucket.bucket_name),
            names.features_key(namespace, collection),
            names.documents_key(namespace, collection),
        ),
        description=f"One batch of {item.bucket.bucket_name} through {collection}: blobs, features, documents.",
        tags={"mixpeek/collection": collection, "mixpeek/namespace": namespace},
    )


def recompute_config(namespace: str, collections: Iterable[Collection]) -> dict[str, Any]:
    """Run config that has the steps of a namespace's collections run on unchanged rows, too."""
    ops = {}
    for collection in collections:
        graph = f"{names.job_name(namespace, collection.collection_name)}__features"
        select = select_op if collection.source.collection_id is None else chained_select_op
        ops[graph] = {"ops": {select.name: {"config": {"recompute": True}}}}
    return {"ops": ops}


def _assets(item: Compilable, plugin: LoadedPlugin) -> Iterator[dg.AssetsDefinition]:
    namespace, collection = item.namespace.address, item.collection
    pipeline = plugin.build_pipeline(
        collection.parameters, collection_id=collection.collection_id, namespace_id=item.namespace.namespace_id
    )
    batches = partitions(namespace, item.bucket.bucket_name)
    metadata = _definition_metadata(item)
    yield features_asset(
        namespace=namespace,
        collection=collection,
        spec=plugin.spec,
        steps=pipeline.steps,
        blobs=names.blobs_key(namespace, item.bucket.bucket_name),
        upstream=names.documents_key(namespace, item.upstream) if item.upstream else None,
        partitions=batches,
        metadata={**metadata, "plugin": plugin.spec.plugin_id, "code_hash": plugin.spec.code_hash},
    )
    yield documents_asset(
        namespace=namespace, collection=collection.collection_name, partitions=batches, metadata=metadata
    )


def _definition_metadata(item: Compilable) -> dict[str, dg.MetadataValue]:
    metadata: dict[str, dg.MetadataValue] = {"collection_id": dg.MetadataValue.text(item.collection.collection_id)}
    if item.declared:
        metadata[names.COLLECTION_METADATA] = dg.MetadataValue.json(item.collection.model_dump(mode="json"))
    return metadata


def _broken(item: Compilable, error: MixpeekError) -> Iterator[dg.AssetsDefinition]:
    namespace, collection = item.namespace.address, item.collection.collection_name
    message, details = str(error), {name: dg.MetadataValue.text(str(value)) for name, value in error.to_dict().items()}
    blobs = names.blobs_key(namespace, item.bucket.bucket_name)
    features, documents = names.features_key(namespace, collection), names.documents_key(namespace, collection)
    for key, upstream in ((features, blobs), (documents, features)):

        @dg.asset(
            key=key,
            deps=[upstream],
            description=f"**This collection's plugin does not load.**\n\n```\n{message}\n```",
            partitions_def=partitions(namespace, item.bucket.bucket_name),
            group_name=names.group_name(collection),
            tags={"mixpeek/broken": "true"},
            kinds={"broken"},
            metadata=details,
        )
        def broken() -> None:
            raise dg.Failure(message, metadata=details, allow_retries=False)

        yield broken
