"""Describes its feature in keys that sound right and are not: refused, with the right key for each."""

metadata = {
    "feature_extractor_name": "wrong_feature_keys",
    "version": "1.0.0",
    "description": "Refused: the keys of its feature are wrong",
    "category": "text",
}

input_schema = {"text": {"type": "string"}}
supported_input_types = ["text"]

features = [
    {
        "type": "vector",
        "name": "my_embedding",
        "dimensions": 384,
        "distance": "cosine",
    },
]
