"""Pictures by what they look like, and by the names of what is on them."""

metadata = {
    "feature_extractor_name": "image_classifier",
    "version": "1.0.0",
    "description": "Embeds pictures and names what is on them",
    "category": "image",
}

output_schema = {
    "labels": {"type": "array", "items": {"type": "string"}},
    "confidence": {"type": "number"},
    "image_embedding": {"type": "array", "items": {"type": "number"}},
}
supported_input_types = ["image"]
dependencies = ["torch", "transformers", "pillow"]

features = [
    {
        "feature_type": "embedding",
        "feature_name": "image_embedding",
        "embedding_dim": 1280,
        "distance_metric": "cosine",
    },
]
