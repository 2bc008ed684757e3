"""The version: docs/releasing.md says when it changes."""

__version__ = "0.2.0"
