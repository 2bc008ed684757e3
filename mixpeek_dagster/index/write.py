"""Writing points: in batches, waited for, tried again when the network fails, refused loudly when Qdrant refuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import httpx
import orjson
import tenacity
from pydantic_core import to_jsonable_python
from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from mixpeek_dagster import ids
from mixpeek_dagster.errors import IndexWriteError, TransientWriteError
from mixpeek_dagster.index.connection import reason
from mixpeek_dagster.index.point import Point
from mixpeek_dagster.private_api.qdrant import put_points

_TRIES = 4
_RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


def upsert(client: QdrantClient, collection: str, points: Iterable[Point], batch_size: int) -> int:
    """Write points and wait until Qdrant has taken each batch; one is written while the next is made.

    Returns:
        How many points were acknowledged.

    Raises:
        IndexWriteError: Qdrant refused a batch, or did not answer after several tries; says how many points it had
            acknowledged before.
    """
    written, under_way = 0, None
    with ThreadPoolExecutor(1, thread_name_prefix="upsert") as sender:
        for batch in _batches(points, batch_size):
            if under_way is not None:
                written += under_way.result()
            under_way = sender.submit(_write, client, collection, batch, written)
        return written + (under_way.result() if under_way is not None else 0)


def _write(client: QdrantClient, collection: str, batch: list[Point], before: int) -> int:
    """Write a batch, `before` points having been written; returns how many it holds."""
    try:
        _send(client, collection, batch)
    except UnexpectedResponse as error:
        kind = TransientWriteError if error.status_code in _RETRIED_STATUSES else IndexWriteError
        raise kind(_what(batch, before), why=f"Qdrant refused it: {reason(error)}") from None
    except (ResponseHandlingException, httpx.HTTPError, OSError) as error:
        source = getattr(error, "source", error)
        why = f"Qdrant did not answer after {_TRIES} tries: {source or type(source).__name__}"
        fix = "Start Qdrant, then materialize documents again: it replays the kept features"
        raise TransientWriteError(_what(batch, before), why=why, fix=fix) from None
    return len(batch)


def _batches(points: Iterable[Point], size: int) -> Iterator[list[Point]]:
    pending = iter(points)
    while batch := list(islice(pending, size)):
        yield batch


def _transient(error: BaseException) -> bool:
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _RETRIED_STATUSES
    return isinstance(error, ResponseHandlingException | httpx.HTTPError | OSError)


@tenacity.retry(
    retry=tenacity.retry_if_exception(_transient),
    stop=tenacity.stop_after_attempt(_TRIES),
    wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=5),
    reraise=True,
)
def _send(client: QdrantClient, collection: str, batch: list[Point]) -> None:
    put_points(client, collection, _body(batch))


def _body(batch: list[Point]) -> bytes:
    points = [
        {"id": ids.point_id(point.document_id), "vector": point.vectors, "payload": point.payload} for point in batch
    ]
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps({"points": points}, default=to_jsonable_python, option=options)


def _what(batch: list[Point], written: int) -> str:
    return f"{len(batch)} points from {batch[0].document_id} on, after {written} that were written"
