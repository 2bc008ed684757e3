"""Where a plugin is served."""

from __future__ import annotations

from mixpeek_dagster import ids
from mixpeek_dagster.plugins.spec import PluginSpec


def route_of(spec: PluginSpec) -> str:
    """`my_extractor` at `1.0.0` is served at `/my_extractor/1_0_0`."""
    return ids.route(spec.name, spec.version)
