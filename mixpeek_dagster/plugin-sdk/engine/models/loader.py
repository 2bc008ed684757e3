"""Models by id."""

from mixpeek_dagster.models.loading import is_hf_model_cached, load_hf_model
from mixpeek_dagster.models.namespace import load_namespace_model

__all__ = ["is_hf_model_cached", "load_hf_model", "load_namespace_model"]
