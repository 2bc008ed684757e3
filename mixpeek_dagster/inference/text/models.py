"""The text embedding models that are built in: their prefixes, pooling and limits, as their authors give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixpeek_dagster.inference.realtime import RealtimeService
from mixpeek_dagster.inference.service import BatchService, ServedModel
from mixpeek_dagster.inference.text.realtime import TextEmbedding
from mixpeek_dagster.inference.text.service import TextEmbeddingService


class MultilingualE5LargeInstruct(TextEmbeddingService):
    """Embed texts of any language with intfloat/multilingual-e5-large-instruct (1,024 numbers)."""

    model = ServedModel("intfloat/multilingual-e5-large-instruct", "embedding", dimension=1024)
    query_prefix = "Instruct: {instruction}\nQuery: "
    instruction = "Given a web search query, retrieve relevant passages that answer the query"


class AllMiniLML6V2(TextEmbeddingService):
    """Embed English texts with sentence-transformers/all-MiniLM-L6-v2 (384 numbers)."""

    model = ServedModel("sentence-transformers/all-MiniLM-L6-v2", "embedding", dimension=384)
    most_tokens = 256


class JinaEmbeddingsV2BaseCode(TextEmbeddingService):
    """Embed source code, and questions about it, with jinaai/jina-embeddings-v2-base-code (768 numbers)."""

    model = ServedModel(
        "jinaai/jina-embeddings-v2-base-code",
        "embedding",
        model_class="mixpeek_dagster.inference.text.alibi_bert.AlibiBert",
        dimension=768,
    )
    most_tokens = 8192


BUILT_IN: Mapping[type[BatchService], type[RealtimeService[Any]]] = {
    MultilingualE5LargeInstruct: TextEmbedding,
    AllMiniLML6V2: TextEmbedding,
    JinaEmbeddingsV2BaseCode: TextEmbedding,
}
"""How each is used in batches, and in requests."""
