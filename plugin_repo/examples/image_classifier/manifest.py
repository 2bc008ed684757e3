feature_extractor_name = "image_classifier"
version = "1.0.0"
description = "Image classification with structured labels"
dependencies = ["torch", "transformers", "pillow"]
supported_input_types = ["image"]
features = [
    {
        "feature_name": "image_embedding",
        "feature_type": "embedding",
        "embedding_dim": 1280,
        "distance_metric": "cosine",
    }
]
output_schema = {
    "image_embedding": {"type": "array", "items": {"type": "number"}},
    "labels": {"type": "array", "items": {"type": "string"}},
    "confidence": {"type": "number"},
}
