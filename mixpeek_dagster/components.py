"""Components of Dagster that `dg` finds, and YAML files name: `mixpeek_dagster.components.CollectionComponent`."""

from mixpeek_dagster.graph.component import CollectionComponent

__all__ = ["CollectionComponent"]
