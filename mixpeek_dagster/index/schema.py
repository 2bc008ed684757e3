"""A namespace's Qdrant collection: its named vectors and payload indexes, made before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from mixpeek_dagster.errors import StoreError, VectorClash
from mixpeek_dagster.index.connection import qdrant_errors
from mixpeek_dagster.index.payload import INDEXED, INDEXED_NUMBERS

Vector = tuple[str, int, str]
"""Name, dimension, distance in Qdrant's words."""


def ensure_vectors(client: QdrantClient, namespace_id: str, vectors: Iterable[Vector]) -> list[str]:
    """Make the named vectors that are not there; those that are there are never touched.

    Returns:
        Names of the vectors that were made.

    Raises:
        VectorClash: a name is held with another size or distance.
    """
    wanted = list(vectors)
    with qdrant_errors():
        made = _ensure_collection(client, namespace_id, wanted)
        held = held_vectors(client, namespace_id)
        refuse_clashes(wanted, held)
        new = [vector for vector in wanted if vector[0] not in held]
        for name, size, distance in new:
            _create_vector(client, namespace_id, name, size, distance)
    return [name for name, _, _ in (wanted if made else new)]


def held_vectors(client: QdrantClient, namespace_id: str) -> dict[str, tuple[int, str]]:
    """Size and distance of each named vector of the namespace; empty if it has no collection yet."""
    with qdrant_errors():
        if not client.collection_exists(namespace_id):
            return {}
        vectors = client.get_collection(namespace_id).config.params.vectors
    named = vectors if isinstance(vectors, dict) else {}
    return {name: (params.size, params.distance.value) for name, params in named.items()}


def refuse_clashes(vectors: Iterable[Vector], held: dict[str, tuple[int, str]]) -> None:
    """See that these vectors could stand beside those that are held.

    Raises:
        VectorClash: a name is held with another size or distance.
    """
    for vector in vectors:
        _refuse_clash(vector, held)


def _ensure_collection(client: QdrantClient, namespace_id: str, vectors: Iterable[Vector]) -> bool:
    """See that there is a collection with its indexes; whether it was made, with these vectors."""
    made = False
    if not client.collection_exists(namespace_id):
        params = {name: models.VectorParams(size=size, distance=models.Distance(kind)) for name, size, kind in vectors}
        try:
            made = client.create_collection(namespace_id, vectors_config=params)
        except UnexpectedResponse:
            # Another process may have made it since we looked; anything else is an error.
            if not client.collection_exists(namespace_id):
                raise
    indexed = client.get_collection(namespace_id).payload_schema
    types = dict.fromkeys(INDEXED, models.PayloadSchemaType.KEYWORD)
    types |= dict.fromkeys(INDEXED_NUMBERS, models.PayloadSchemaType.INTEGER)
    for field, kind in types.items():
        if field not in indexed:
            client.create_payload_index(namespace_id, field, kind, wait=True)
    return made


def _create_vector(client: QdrantClient, namespace_id: str, name: str, size: int, distance: str) -> None:
    config = models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=size, distance=models.Distance(distance)))
    client.create_vector_name(namespace_id, vector_name=name, vector_name_config=config)
    if name not in held_vectors(client, namespace_id):
        raise StoreError(f"vector {name!r}", why="Qdrant took the call and did not make it")


def _refuse_clash(vector: Vector, held: dict[str, tuple[int, str]]) -> None:
    name, size, distance = vector
    if name in held and held[name] != (size, distance):
        there = f"{held[name][0]} numbers, {held[name][1]}"
        raise VectorClash(
            f"vector {name!r} of {size} numbers, {distance}",
            why=f"the namespace holds one of that name with {there}",
            fix="Give the feature another name, or use another namespace",
        )
