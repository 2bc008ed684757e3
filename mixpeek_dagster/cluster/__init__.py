"""Steps on a Ray cluster: what a step needs, the pool of workers that runs it, and the worker itself."""
