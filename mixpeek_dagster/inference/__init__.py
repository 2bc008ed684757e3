"""Built-in services over models: text, image, code, reranking, speech; the same code behind batches and requests."""
