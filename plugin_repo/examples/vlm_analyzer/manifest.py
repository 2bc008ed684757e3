"""Pictures by what a vision-language model says of them."""

from pydantic import BaseModel, Field


class Parameters(BaseModel):
    """Choices of whoever makes a collection."""

    prompt: str = Field(
        default="Say in two sentences what the picture shows, and give up to ten tags.",
        description="What the model is asked about each picture",
    )


metadata = {
    "feature_extractor_name": "vlm_analyzer",
    "version": "1.0.0",
    "description": "Has a vision-language model describe pictures, and embeds what it says",
    "category": "image",
}

output_schema = {
    "caption": {"type": "string"},
    "tags": {"type": "array", "items": {"type": "string"}},
    "caption_embedding": {"type": "array", "items": {"type": "number"}},
}
parameter_schema = Parameters
supported_input_types = ["image"]
dependencies = ["sentence-transformers"]

features = [
    {
        "feature_type": "embedding",
        "feature_name": "caption_embedding",
        "embedding_dim": 384,
        "distance_metric": "cosine",
    },
]
