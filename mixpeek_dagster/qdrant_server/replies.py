"""What the engine returns, as Qdrant's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def record(item: Any) -> dict[str, Any]:
    """A stored point, of `retrieve` and `scroll`."""
    reply = {"id": item.id, "payload": item.payload, "vector": item.vector}
    if item.order_value is not None:
        reply["order_value"] = item.order_value
    return reply


def scored_point(item: Any) -> dict[str, Any]:
    """A search result."""
    return {**record(item), "version": item.version, "score": item.score}


def scroll_page(page: tuple[list[Any], Any]) -> dict[str, Any]:
    """Records and the id to go on from; None at the end."""
    records, offset = page
    return {"points": [record(item) for item in records], "next_page_offset": offset}


def facet_hits(response: Any) -> dict[str, Any]:
    """Values of a field and how many points hold each."""
    return {"hits": [{"value": hit.value, "count": hit.count} for hit in response.hits]}


def payload_schema(info: Any, indexes: Mapping[str, Any]) -> dict[str, Any]:
    """The payload indexes with the number of points each covers."""
    reply: dict[str, Any] = {}
    for field, index in info.payload_schema.items():
        if field not in indexes:
            continue
        reply[field] = {"data_type": str(index.data_type).rpartition(".")[2].lower(), "points": index.points}
        if isinstance(indexes[field], dict):
            reply[field]["params"] = indexes[field]
    return reply
