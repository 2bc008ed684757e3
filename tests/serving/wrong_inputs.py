"""Inputs that a built-in model refuses, with the field that is named and what is said of it."""

from __future__ import annotations

from typing import Any

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
E5 = "intfloat/multilingual-e5-large-instruct"
JINA = "jinaai/jina-embeddings-v2-base-code"
SIGLIP = "google/siglip-base-patch16-224"
MOBILENET = "torchvision/mobilenet_v2"
RERANKER = "BAAI/bge-reranker-v2-m3"
WHISPER = "openai/whisper-tiny.en"
TURBO = "openai/whisper-large-v3-turbo"
WRONG: list[tuple[str, Any, Any, list[str], str]] = [
    (MINILM, {}, {}, ["inputs"], "give either text or texts"),
    (MINILM, {"text": "a", "texts": ["b"]}, {}, ["inputs"], "give either text or texts"),
    (MINILM, {"text": 3}, {}, ["inputs", "text"], "valid string"),
    (MINILM, {"text": "  "}, {}, ["inputs", "text"], "it holds no text"),
    (MINILM, {"texts": ["a", ""]}, {}, ["inputs", "texts", "1"], "it holds no text"),
    (MINILM, {"texts": "a"}, {}, ["inputs", "texts"], "valid list"),
    (MINILM, {"txt": "a"}, {}, ["inputs", "txt"], "Extra inputs"),
    (MINILM, {"texts": ["a"] * 1025}, {}, ["inputs"], "1,025 at once are more than 1,024"),
    (MINILM, {"text": "a"}, {"input_type": "passage"}, ["parameters", "input_type"], "'document' or 'query'"),
    (MINILM, {"text": "a"}, {"top": 3}, ["parameters", "top"], "Extra inputs"),
    (SIGLIP, {}, {}, ["inputs"], "give one of image or images or text or texts"),
    (MOBILENET, {"text": "a"}, {}, ["inputs", "text"], "Extra inputs"),
    (MOBILENET, {"image": "no base64!"}, {}, ["inputs", "image"], "it is not an http(s) URL"),
    (MOBILENET, {"image": "aGVsbG8="}, {}, ["inputs", "image"], "it is not an image"),
    (MOBILENET, {"image": "/etc/passwd"}, {}, ["inputs", "image"], "the"),
    (MOBILENET, {"image": "file:///etc/passwd"}, {}, ["inputs", "image"], "it begins with file://"),
    (MOBILENET, {"image": "s3://bucket/key.png"}, {}, ["inputs", "image"], "it begins with s3://"),
    (MOBILENET, {"image": "data:image/png,abc"}, {}, ["inputs", "image"], "not in base64"),
    (MOBILENET, {"image": "http://169.254.169.254/latest"}, {}, ["inputs", "image"], "not a public address"),
    (MOBILENET, {"images": ["aGVsbG8="]}, {}, ["inputs", "images", "0"], "it is not an image"),
    (RERANKER, {"query": "a"}, {}, ["inputs", "documents"], "Field required"),
    (RERANKER, {"query": "word " * 3000, "documents": ["a"]}, {}, ["inputs", "query"], "leave room for a document"),
    (WHISPER, {"audio": "aGVsbG8="}, {}, ["inputs", "audio"], "cannot be read as audio"),
    (WHISPER, {"audio": "http://localhost/x.wav"}, {}, ["inputs", "audio"], "not a public address"),
    (WHISPER, {"audio": "aGVsbG8="}, {"language": "de"}, ["parameters", "language"], "only transcribes English"),
    (TURBO, {"audio": "aGVsbG8="}, {"language": "tlh"}, ["parameters", "language"], "does not know it"),
]
