"""Models that are loaded with the first batch."""

from mixpeek_dagster.models.lazy import LazyModelMixin, lazy_model

__all__ = ["LazyModelMixin", "lazy_model"]
