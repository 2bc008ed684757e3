"""IO manager for what one step hands to the next when they may run on different machines: a small handle in S3."""

# No postponed annotations here: Dagster reads those of resources.

import io
import pickle
from typing import TYPE_CHECKING, Any

import dagster as dg

from mixpeek_dagster.graph.failures import user_errors
from mixpeek_dagster.graph.resource import StoresResource
from mixpeek_dagster.migrations.handles import HandleUnpickler
from mixpeek_dagster.objects.spools import PREFIX
from mixpeek_dagster.rows.spool import HANDLES

if TYPE_CHECKING:
    from mixpeek_dagster.objects.object_store import ObjectStore
    from mixpeek_dagster.runs.flow import Flow

_OBJECTS = "objects"


class SpoolIOManager(dg.ConfigurableIOManager):
    """Keeps a `Flow` beside the rows that it is a handle on; the keys of S3 stay behind."""

    stores: dg.ResourceDependency[StoresResource]

    def handle_output(self, context: dg.OutputContext, obj: "Flow") -> None:
        """Only the handle travels; rows are in the spool already."""
        with user_errors():
            self.stores.open.objects.put(_key(context), dump_flow(obj))

    def load_input(self, context: dg.InputContext) -> "Flow":
        """The handle that the step before has stored, in this run or in the one that this one takes up."""
        assert context.upstream_output is not None
        with user_errors():
            objects = self.stores.open.objects
            return load_flow(objects.get(_key(context.upstream_output)), objects)


def dump_flow(flow: "Flow") -> bytes:
    """A flow without the object store that its rows are in."""
    sink = io.BytesIO()
    _FlowPickler(sink, protocol=pickle.HIGHEST_PROTOCOL).dump(flow)
    return sink.getvalue()


def load_flow(content: bytes, objects: "ObjectStore") -> "Flow":
    """What `dump_flow` was given, with its rows in this object store."""
    flow: Flow = _FlowUnpickler(io.BytesIO(content), objects).load()
    return flow


class _FlowPickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> str | None:
        from mixpeek_dagster.objects.object_store import ObjectStore

        return _OBJECTS if isinstance(value, ObjectStore) else None


class _FlowUnpickler(HandleUnpickler):
    def __init__(self, source: io.BytesIO, objects: "ObjectStore") -> None:
        super().__init__(source)
        self._objects = objects

    def persistent_load(self, name: Any) -> "ObjectStore":
        return self._objects


def _key(context: dg.OutputContext) -> str:
    run_id, *place = context.get_identifier()
    return "/".join([PREFIX, run_id, HANDLES, *place])
