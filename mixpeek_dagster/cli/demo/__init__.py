"""`mixpeek demo`: the whole road from a plugin folder to found documents, on real files."""

from mixpeek_dagster.cli.demo.story import demo

__all__ = ["demo"]
