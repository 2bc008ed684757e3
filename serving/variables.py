"""Environment variables that tell a service's process what it serves."""

from __future__ import annotations

PLUGINS = "MIXPEEK_SERVE_PLUGINS"
"""Folders of plugins, separated like the entries of PATH."""
MODEL = "MIXPEEK_SERVE_MODEL"
"""Ids of built-in models, separated by commas."""
INSTANCE = "MIXPEEK_SERVE_INSTANCE"
"""A name that /readyz repeats, so that a caller knows whose port it has reached."""
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where figures for Prometheus are kept."""
