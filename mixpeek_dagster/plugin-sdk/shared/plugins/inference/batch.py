"""Base class of batch processors."""

from mixpeek_dagster.plugins.services import BaseBatchInferenceService

__all__ = ["BaseBatchInferenceService"]
