"""What the service of google/siglip-base-patch16-224 may be told."""

from mixpeek_dagster.inference.image.service import ImageEmbeddingConfig as InferenceConfigs

__all__ = ["InferenceConfigs"]
