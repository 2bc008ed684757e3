"""Files behind the `data` column."""

from mixpeek_dagster.plugins.assets import download_asset, open_asset

__all__ = ["download_asset", "open_asset"]
