"""A built-in plugin's vectors."""

from mixpeek_dagster.plugins.definition import VectorIndex, VectorIndexDefinition, VectorType

__all__ = ["VectorIndex", "VectorIndexDefinition", "VectorType"]
