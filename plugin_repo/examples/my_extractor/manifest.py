"""Texts by meaning: each gets a vector, and a word for its tone.

The column that a processor writes must be called like the feature, here `my_embedding`.
"""

from pydantic import BaseModel, Field


class Inputs(BaseModel):
    """Columns that a row must have before the first step."""

    text: str = Field(description="What is embedded and judged")


class Outputs(BaseModel):
    """Columns that the step adds, and so fields of each document."""

    my_embedding: list[float] = Field(description="Vector of all-MiniLM-L6-v2", min_length=384, max_length=384)
    sentiment: str = Field(description="One of positive, negative and neutral")


class Parameters(BaseModel):
    """Choices of whoever makes a collection."""

    threshold: float = Field(
        default=0.5, ge=0, le=1, description="How far good words must outweigh bad ones, or the reverse, to set a tone"
    )


metadata = {
    "feature_extractor_name": "my_extractor",
    "version": "1.0.0",
    "description": "Embeds texts and tells their tone",
    "category": "text",
}

input_schema = Inputs
output_schema = Outputs
parameter_schema = Parameters
supported_input_types = ["text"]

features = [
    {"feature_type": "embedding", "feature_name": "my_embedding", "embedding_dim": 384, "distance_metric": "cosine"},
]
