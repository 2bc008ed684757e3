"""What built-in plugins write in `definition.py`, in place of a manifest: one model of the extractor."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field


class CostUnit(StrEnum):
    """What a plugin's price is per."""

    MINUTE = "minute"
    IMAGE = "image"
    TOKENS_1K = "1k_tokens"
    PAGE = "page"
    FACE = "face"
    EXTRACTION = "extraction"


class CostRate(BaseModel):
    """Credits for one unit."""

    unit: CostUnit
    credits_per_unit: int = Field(ge=1)
    description: str = ""


class CostsInfo(BaseModel):
    """What an extractor costs. It is kept as it is; nothing here bills."""

    tier: int = Field(ge=1, le=4)
    tier_label: Literal["SIMPLE", "MODERATE", "COMPLEX", "PREMIUM"]
    rates: list[CostRate] = []


class VectorType(StrEnum):
    """How the numbers of a vector are kept."""

    DENSE = "dense"
    SPARSE = "sparse"
    MULTI_DENSE = "multi_dense"


class VectorIndex(BaseModel):
    """A named vector of Qdrant.

    Attributes:
        name: of the vector in Qdrant, and of the column that processors write.
        inference_service_id: the model whose vectors these are, as `org/name`.
    """

    name: str
    description: str = ""
    dimensions: int | None = None
    type: VectorType = VectorType.DENSE
    distance: str = "cosine"
    inference_service_id: str | None = None


class VectorIndexDefinition(BaseModel):
    """A vector under the short name that it has in feature URIs."""

    name: str
    description: str = ""
    type: Literal["single", "multi"] = "single"
    index: VectorIndex


class FeatureExtractorModel(BaseModel):
    """Everything that a plugin says of itself; schemas are Pydantic classes or dicts of fields."""

    feature_extractor_name: str
    version: str
    description: str = ""
    icon: str = ""
    input_schema: Any = None
    output_schema: Any = None
    parameter_schema: Any = None
    supported_input_types: list[str] = []
    dependencies: list[str] = []
    position_fields: list[str] = []
    required_vector_indexes: list[VectorIndexDefinition] = []
    costs: CostsInfo | None = None

    def as_manifest(self) -> dict[str, Any]:
        """The same as the variables of a manifest.py. A vector that is not dense is no feature, see `not_dense`."""
        return {
            **{name: getattr(self, name) for name in _SHARED},
            "features": [
                {
                    "feature_type": "embedding",
                    "feature_name": item.index.name,
                    "embedding_dim": item.index.dimensions,
                    "distance_metric": item.index.distance,
                }
                for item in self.required_vector_indexes
                if item.index.type is VectorType.DENSE
            ],
        }

    def not_dense(self) -> list[str]:
        """Names of vectors that cannot be written here."""
        return [item.index.name for item in self.required_vector_indexes if item.index.type is not VectorType.DENSE]


_SHARED = (
    "feature_extractor_name",
    "version",
    "description",
    "input_schema",
    "output_schema",
    "parameter_schema",
    "supported_input_types",
    "dependencies",
    "position_fields",
)
