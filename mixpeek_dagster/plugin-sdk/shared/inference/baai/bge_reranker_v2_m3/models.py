"""What the service of BAAI/bge-reranker-v2-m3 may be told."""

from mixpeek_dagster.inference.reranking.service import RerankerConfig as InferenceConfigs

__all__ = ["InferenceConfigs"]
