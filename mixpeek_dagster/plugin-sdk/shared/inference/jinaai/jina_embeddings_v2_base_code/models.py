"""What the service of jinaai/jina-embeddings-v2-base-code may be told."""

from mixpeek_dagster.inference.text.service import TextEmbeddingConfig as InferenceConfigs

__all__ = ["InferenceConfigs"]
