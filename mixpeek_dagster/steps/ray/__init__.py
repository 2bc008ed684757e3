"""A step on a Ray cluster: what its workers need, the pool, the worker."""
