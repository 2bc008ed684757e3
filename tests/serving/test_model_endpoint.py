"""A built-in model that is asked for more than it can do, without HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from huggingface_hub import constants
from starlette.responses import Response

from mixpeek_dagster.errors import ModelNotFound
from mixpeek_dagster.inference.registry import get_batch_service, get_realtime_service
from mixpeek_dagster.inference.text.realtime import TextEmbedding
from serving.endpoints.endpoint import EndpointState
from serving.endpoints.limits import Limits
from serving.endpoints.model_endpoint import ModelEndpoint

MINILM = get_batch_service("sentence-transformers/all-MiniLM-L6-v2")


@pytest.fixture(autouse=True)
def _models(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(models))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """Packs that are let through to the model."""
    free, compute = threading.Semaphore(1), TextEmbedding.compute

    def gated(self: TextEmbedding, group: Hashable, payloads: Sequence[Any]) -> Any:
        assert free.acquire(timeout=20)
        return compute(self, group, payloads)

    monkeypatch.setattr(TextEmbedding, "compute", gated)
    yield free
    free.release(100)


async def loaded(**limits: Any) -> ModelEndpoint:
    """An endpoint that has computed its example, for which a gate is open."""
    endpoint = ModelEndpoint(MINILM, Limits(threads=1, **limits))
    await endpoint.load()
    assert endpoint.state is EndpointState.READY, endpoint.problem
    return endpoint


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def error_of(reply: Response, status: int) -> dict[str, Any]:
    assert reply.status_code == status, reply.body
    error: dict[str, Any] = orjson.loads(bytes(reply.body))["error"]
    return error


def test_what_does_not_fit_into_the_queue_is_told_when_to_come_again(gate: threading.Semaphore) -> None:
    async def run() -> tuple[Response, list[Response]]:
        endpoint = await loaded(queue=2)
        held = asyncio.create_task(endpoint.answer({"text": "rain"}, {}))
        await until(lambda: endpoint.in_flight == 1 and endpoint.queued == 0)
        waiting = asyncio.create_task(endpoint.answer({"texts": ["a tree", "a sea"]}, {}))
        await until(lambda: endpoint.queued == 2)
        refused = await endpoint.answer({"text": "snow"}, {})
        gate.release(10)
        return refused, [await held, await waiting]

    refused, others = asyncio.run(run())
    assert error_of(refused, 429)["message"].endswith("2 inputs wait already")
    assert int(refused.headers["retry-after"]) >= 1
    assert [reply.status_code for reply in others] == [200, 200]


def test_a_request_that_takes_too_long_is_given_up_and_not_computed(gate: threading.Semaphore) -> None:
    async def run() -> Response:
        endpoint = await loaded(seconds=3.0)
        held = asyncio.create_task(endpoint.answer({"text": "rain"}, {}))
        late = asyncio.create_task(endpoint.answer({"text": "snow"}, {}))
        replies = await asyncio.gather(held, late)
        assert endpoint.queued == 0
        gate.release(10)
        # The lane is not stuck.
        assert (await endpoint.answer({"text": "wind"}, {})).status_code == 200
        return replies[1]

    assert error_of(asyncio.run(run()), 504)["message"].endswith("gave no reply within 3 s")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Any], Any]]:
    """What is made of the model's vectors of a pack, under the key `after`."""
    changes: dict[str, Callable[[Any], Any]] = {}
    compute = TextEmbedding.compute

    def changed(self: TextEmbedding, group: Hashable, payloads: Sequence[Any]) -> Any:
        vectors = compute(self, group, payloads)
        return changes["after"](vectors) if changes else vectors

    monkeypatch.setattr(TextEmbedding, "compute", changed)
    return changes


def raises(error: Exception) -> Callable[[Any], Any]:
    def change(vectors: Any) -> Any:
        raise error

    return change


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (raises(torch.OutOfMemoryError("no room")), 413, "memory does not do for an input"),
        (raises(IndexError("octarine")), 500, "could not compute this; the server's log tells why"),
        (lambda vectors: [vector * float("nan") for vector in vectors], 500, "could not compute this"),
    ],
)
def test_what_the_model_cannot_compute_is_no_vector(
    broken: dict[str, Callable[[Any], Any]], change: Callable[[Any], Any], status: int, said: str
) -> None:
    async def run() -> Response:
        endpoint = await loaded()
        broken["after"] = change
        return await endpoint.answer({"text": "rain"}, {})

    reply = asyncio.run(run())
    assert said in error_of(reply, status)["message"]
    assert b"octarine" not in bytes(reply.body)


def test_a_model_that_is_nowhere_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nowhere(self: TextEmbedding) -> None:
        raise ModelNotFound("model 'sentence-transformers/all-MiniLM-L6-v2'", why="the hub is not asked", fix="Add it")

    monkeypatch.setattr(get_realtime_service(MINILM), "load", nowhere)

    async def run() -> tuple[ModelEndpoint, Response]:
        endpoint = ModelEndpoint(MINILM, Limits())
        await endpoint.load()
        return endpoint, await endpoint.answer({"text": "rain"}, {})

    endpoint, reply = asyncio.run(run())
    assert endpoint.state is EndpointState.FAILED
    assert "the hub is not asked. Add it" in error_of(reply, 503)["message"]
    assert reply.headers["retry-after"] == "5"
