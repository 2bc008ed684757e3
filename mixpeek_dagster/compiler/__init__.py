"""Plugins and collections become a Dagster asset graph; nothing here does I/O until a run starts."""
