"""A small server for Qdrant's REST API over the Qdrant engine itself (`qdrant_edge`).

It answers the calls that an unmodified `QdrantClient(url=...)` makes; what it does not implement it refuses with 501.
Run it with `python -m mixpeek_dagster.qdrant_server --path DIR --port N`.
"""
