"""The vector index: Qdrant by URL."""
