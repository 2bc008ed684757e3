feature_extractor_name = "text_vectors"
version = "1.0.0"
description = "Texts through the built-in embedding service"
supported_input_types = ["text"]
features = [
    {
        "feature_name": "text_vector",
        "feature_type": "embedding",
        "embedding_dim": 384,
        "distance_metric": "cosine",
    },
]
