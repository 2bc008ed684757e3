"""Which collection an op works for: read off the asset it makes, so that ops can be shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from mixpeek_dagster.catalog.records import Collection
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.resource import StoresResource

if TYPE_CHECKING:
    from mixpeek_dagster.runs.context import CollectionRun


def collection_run(context: dg.OpExecutionContext) -> CollectionRun:
    """The run of the collection whose `features` or `documents` this op makes.

    Raises:
        MixpeekError: the collection, its plugin or the batch is not there or broken.
    """
    from mixpeek_dagster.runs.context import open_collection_run

    resource: StoresResource = getattr(context.resources, names.STORES)
    (key,) = context.assets_def.keys
    *namespace, collection, _ = key.path
    declared = context.assets_def.metadata_by_key[key].get(names.COLLECTION_METADATA)
    return open_collection_run(
        resource.open,
        resource.settings,
        namespace="/".join(namespace),
        collection_name=collection,
        batch_id=context.partition_key,
        run_id=context.run_id,
        declared=Collection.model_validate(declared.value) if declared else None,
    )
