"""Built-in batch services by the id of their model."""

from mixpeek_dagster.inference.registry import get_batch_service

__all__ = ["get_batch_service"]
