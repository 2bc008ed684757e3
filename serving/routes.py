"""Where plugins and models are served."""

from __future__ import annotations

from mixpeek_dagster import ids
from mixpeek_dagster.plugins.spec import PluginSpec

_MODELS_VERSION = "v1"


def route_of(spec: PluginSpec) -> str:
    """`my_extractor` at `1.0.0` is served at `/my_extractor/1_0_0`."""
    return ids.route(spec.name, spec.version)


def model_route(model_id: str) -> str:
    """`sentence-transformers/all-MiniLM-L6-v2` is served at `/all_minilm_l6_v2/v1`."""
    return ids.route(ids.service_name(model_id), _MODELS_VERSION)
