"""Run Mixpeek-style plugins on your own Dagster, Qdrant, MongoDB, S3 and BentoML."""

__version__ = "0.1.0"
