"""Base class of realtime services."""

from mixpeek_dagster.plugins.services import BaseInferenceService

__all__ = ["BaseInferenceService"]
