"""The older name of `shared.plugins.download_asset`."""

from mixpeek_dagster.plugins.assets import resolve_url_to_local_path

__all__ = ["resolve_url_to_local_path"]
