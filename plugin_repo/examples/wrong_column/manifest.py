"""Promises `my_embedding`, while its processor writes `embedding`.

Nothing is wrong with any one file, so that the plugin is accepted; `mixpeek plugin check` warns. Its runs fail and name
the column that is missing: they never end well with nothing written.
"""

metadata = {
    "feature_extractor_name": "wrong_column",
    "version": "1.0.0",
    "description": "Promises a column that it does not write: its runs turn red",
    "category": "text",
}

input_schema = {"text": {"type": "string"}}
supported_input_types = ["text"]

features = [
    {"feature_type": "embedding", "feature_name": "my_embedding", "embedding_dim": 384, "distance_metric": "cosine"},
]
