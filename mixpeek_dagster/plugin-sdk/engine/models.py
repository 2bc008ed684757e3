"""Models for processors."""

from mixpeek_dagster.models.lazy import LazyModelMixin, lazy_model
from mixpeek_dagster.models.loading import load_hf_model

__all__ = ["LazyModelMixin", "lazy_model", "load_hf_model"]
