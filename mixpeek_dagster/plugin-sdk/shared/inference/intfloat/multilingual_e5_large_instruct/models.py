"""What the service of intfloat/multilingual-e5-large-instruct may be told."""

from mixpeek_dagster.inference.text.service import TextEmbeddingConfig as InferenceConfigs

__all__ = ["InferenceConfigs"]
