"""IO manager that keeps an asset's rows as Parquet parts in object storage."""

# No postponed annotations here: Dagster reads those of resources.

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.graph.failures import user_errors
from mixpeek_dagster.graph.resource import StoresResource
from mixpeek_dagster.runs.frames import Frames

if TYPE_CHECKING:
    import pandas as pd


class FramesIOManager(dg.ConfigurableIOManager):
    """Writes `Frames` under the asset's key and partition; a new write replaces the old one in one step."""

    stores: dg.ResourceDependency[StoresResource]

    def handle_output(self, context: dg.OutputContext, obj: Frames) -> None:
        """Store the rows, part by part."""
        from mixpeek_dagster.rows.parquet import write_part

        with user_errors():
            parts = (write_part(frame, obj.vectors) for frame in obj)
            kept = self.stores.open.artifacts.write(_key(context), parts, dict(obj.metadata))
        context.add_output_metadata({"kept_bytes": kept.size, **obj.summary()})

    def load_input(self, context: dg.InputContext) -> Frames:
        """A stream over the stored rows.

        Raises:
            dg.Failure: the upstream asset was not materialized for this batch.
        """
        from mixpeek_dagster.rows.parquet import read_part

        key = _key(context)
        with user_errors():
            try:
                dataset = self.stores.open.artifacts.open(key)
            except NotFound as error:
                raise NotFound(
                    f"rows of asset {key!r}",
                    why="it was not materialized for this batch",
                    fix=f"Materialize {context.asset_key.to_user_string()} for this partition first",
                ) from error

        def frames() -> "Iterator[pd.DataFrame]":
            return map(read_part, dataset.parts())

        return Frames(frames, frozenset(dataset.metadata.get("vectors", ())), dataset.metadata)


def _key(context: dg.OutputContext | dg.InputContext) -> str:
    return "/".join([*context.asset_key.path, context.asset_partition_key])
