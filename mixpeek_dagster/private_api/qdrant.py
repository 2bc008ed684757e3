"""qdrant-client: a request whose body we have written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


def put_points(client: QdrantClient, collection: str, body: bytes) -> None:
    """Upsert points that are JSON already, and wait until they are taken.

    `client.upsert` writes float32 numbers with all digits of a double: twice the bytes, in four times the time.

    Raises:
        UnexpectedResponse: Qdrant refused them.
        ResponseHandlingException: it did not answer.
    """
    client.http.client.request(
        type_=dict,
        method="PUT",
        url="/collections/{collection_name}/points",
        path_params={"collection_name": collection},
        params={"wait": "true"},
        headers={"Content-Type": "application/json"},
        content=body,
    )
