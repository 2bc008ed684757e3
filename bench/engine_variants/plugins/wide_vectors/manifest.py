feature_extractor_name = "wide_vectors"
version = "1.0.0"
description = "1,024 random numbers for each row, for measuring what carrying them costs"
supported_input_types = ["text"]
features = [
    {
        "feature_name": "wide_vector",
        "feature_type": "embedding",
        "embedding_dim": 1024,
        "distance_metric": "cosine",
    },
]
