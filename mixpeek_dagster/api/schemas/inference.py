"""Realtime inference as clients see it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mixpeek_dagster.operations.inference import InferenceTarget


class InferenceRequest(BaseModel):
    """What to ask, and whom: `inference_name`, `feature_uri`, or `provider` and `model`."""

    model_config = ConfigDict(extra="forbid")

    inference_name: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="A built-in service by its name or `org__name`, a plugin by its id.",
        examples=["all_minilm_l6_v2"],
    )
    feature_uri: str | None = Field(
        None, max_length=400, description="A plugin by the feature that it makes.", examples=[None]
    )
    provider: str | None = Field(None, min_length=1, max_length=100, examples=[None])
    model: str | None = Field(None, min_length=1, max_length=200, examples=[None])
    inputs: dict[str, Any] = Field(description="What to work on.", examples=[{"text": "hello world"}])
    parameters: dict[str, Any] = Field({}, description="Options of the service or plugin.")
    enable_semantic_cache: Literal[False] = Field(False, description="There is no cache.")
    cache_delta: float | None = Field(None, description="Accepted for clients of the original; there is no cache.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.provider is None) != (self.model is None):
            raise ValueError("provider and model go together")
        if sum(way is not None for way in (self.inference_name, self.feature_uri, self.provider)) != 1:
            raise ValueError("give one of inference_name, feature_uri, or provider with model")
        return self


class InferenceReply(BaseModel):
    """What the service or plugin answered."""

    data: dict[str, Any] = Field(description="Its reply as it is.", examples=[{"embedding": [0.1, -0.2]}])
    provider: str = Field(examples=["sentence-transformers"])
    model: str = Field(examples=["all-MiniLM-L6-v2"])
    latency_ms: float = Field(description="From the call to the gateway until its whole reply.", examples=[12.3])
    cached: Literal[False] = Field(False, description="Every reply is computed.")


class InferenceEndpoint(BaseModel):
    """Something that can be asked."""

    inference_name: str = Field(examples=["all_minilm_l6_v2"])
    source: Literal["built-in", "plugin"]
    provider: str
    model: str
    route: str = Field(description="Path at the gateway.", examples=["/all_minilm_l6_v2/v1"])
    kind: str = Field(description="`embedding`, `reranker`, `transcription`, or `plugin`.")
    dimension: int | None = Field(description="Numbers of its vector, or of a plugin's first.")
    vectors: list[str] = Field(description="Vectors of a plugin, for `inputs.vector_index`.")

    @classmethod
    def of(cls, target: InferenceTarget) -> InferenceEndpoint:
        """What a list shows of a plugin or a built-in service."""
        return cls(
            inference_name=target.name,
            source=target.source,
            provider=target.provider,
            model=target.model,
            route=target.route,
            kind=target.kind,
            dimension=target.dimension,
            vectors=list(target.vectors),
        )


class InferenceEndpoints(BaseModel):
    """All that can be asked from within a namespace."""

    success: Literal[True] = True
    results: list[InferenceEndpoint]
    namespace_id: str
    gateway: str | None = Field(description="Where the routes are; null if no gateway is known here.")
