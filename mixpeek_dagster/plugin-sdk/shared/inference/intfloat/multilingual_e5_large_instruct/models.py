"""What the service of intfloat/multilingual-e5-large-instruct may be told."""

from mixpeek_dagster.inference.text_embedding import TextEmbeddingConfig as InferenceConfigs

__all__ = ["InferenceConfigs"]
