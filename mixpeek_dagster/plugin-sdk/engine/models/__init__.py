"""Models for processors."""

from mixpeek_dagster.models.lazy import LazyModelMixin, lazy_model
from mixpeek_dagster.models.loading import is_hf_model_cached, load_hf_model
from mixpeek_dagster.models.namespace import load_namespace_model

__all__ = ["LazyModelMixin", "is_hf_model_cached", "lazy_model", "load_hf_model", "load_namespace_model"]
