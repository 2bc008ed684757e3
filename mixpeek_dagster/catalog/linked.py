"""A plugin's folder as a collection refers to it: read as it is at each run."""

from __future__ import annotations

from mixpeek_dagster.catalog.records import NamedVector, PluginReference
from mixpeek_dagster.plugins.spec import PluginSpec


def linked_plugin(spec: PluginSpec) -> PluginReference:
    """How a collection points at a plugin's folder."""
    return PluginReference(name=spec.name, version=spec.version, plugin_id=spec.plugin_id, folder=str(spec.folder))


def vector_indexes(spec: PluginSpec) -> tuple[NamedVector, ...]:
    """The named vectors that a plugin's documents carry."""
    return tuple(NamedVector(name=f.name, dimensions=f.dimension, distance=f.distance.value) for f in spec.features)
