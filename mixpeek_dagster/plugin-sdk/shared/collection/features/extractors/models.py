"""A built-in plugin's definition."""

from mixpeek_dagster.plugins.definition import CostsInfo, FeatureExtractorModel

__all__ = ["CostsInfo", "FeatureExtractorModel"]
