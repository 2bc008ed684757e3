"""The named vectors of a namespace, brought up to what its plugins declare."""

from __future__ import annotations

from dataclasses import dataclass

from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.stores import Stores


@dataclass(frozen=True)
class Reconfiguration:
    """What was done.

    Args:
        added: names of new vectors.
        total: names of all vectors now.
        points: documents that were there before, and are still.
        collections: names of collections whose documents lack a new vector until they run again.
    """

    added: tuple[str, ...]
    total: tuple[str, ...]
    points: int
    collections: tuple[str, ...]


def reconfigure(stores: Stores, view: NamespaceView) -> Reconfiguration:
    """Make every vector that a usable plugin of the namespace declares. Nothing is removed or rebuilt.

    Raises:
        VectorClash: two plugins declare one name with different sizes or distances.
    """
    points = stores.index.count_documents(view.id)
    plugins = [plugin for plugin in view.plugins.find(view.id) if plugin.usable]
    wanted = [(v.name, v.dimensions, v.distance) for plugin in plugins for v in plugin.vector_indexes]
    added = set(stores.index.ensure_vectors(view.id, dict.fromkeys(wanted)))
    concerned = [
        collection.collection_name
        for collection in view.collections.find(view.id)
        if added & {vector.name for vector in collection.vector_indexes}
    ]
    return Reconfiguration(tuple(sorted(added)), tuple(stores.index.vector_names(view.id)), points, tuple(concerned))
