feature_extractor_name = "counted"
version = "1.0.0"
description = "Four numbers of a text, for counting what a deployment costs"
input_schema = {"text": {"type": "string"}}
features = [
    {"feature_type": "embedding", "feature_name": "vector", "embedding_dim": 4, "distance_metric": "cosine"},
]
