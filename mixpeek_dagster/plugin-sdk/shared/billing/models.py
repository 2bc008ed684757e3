"""Costs of a built-in plugin."""

from mixpeek_dagster.plugins.definition import CostRate, CostUnit

__all__ = ["CostRate", "CostUnit"]
