"""Every way in which an author may write a realtime service."""

from __future__ import annotations

import asyncio

import bentoml
import pytest

from mixpeek_dagster.operations.endpoint_client import infer
from tests.serving.plugin_server import PluginServer


def test_sync_call_gets_inputs_and_parameters(server: PluginServer) -> None:
    reply = infer(f"{server.url}/sync_call/1_0_0", {"text": "hi"}, {"top": 3})
    assert reply == {"embedding": [1.0, 2.0, 3.0], "heard": "hi", "parameters": {"top": 3}}


@pytest.mark.parametrize("name", ["only_run_inference", "plain_run_inference"])
def test_run_inference_is_enough(server: PluginServer, name: str) -> None:
    assert infer(f"{server.url}/{name}/1_0_0", {"text": "hi"}) == {"heard": "hi"}


def test_factory_makes_the_service(server: PluginServer) -> None:
    assert infer(f"{server.url}/factory/1_0_0", {"text": "you"}) == {"heard": "hello you"}


def test_numpy_in_a_reply_becomes_json(server: PluginServer) -> None:
    reply = infer(f"{server.url}/with_numpy/1_0_0", {"text": ""})
    assert reply == {"vector": [1.0, 1.0, 1.0], "score": 0.5, "hits": [0, 1]}


def test_bentoml_client_calls_a_plugin_by_its_id(server: PluginServer) -> None:
    async def call() -> object:
        async with bentoml.AsyncHTTPClient(server.url) as client:
            return await client.factory_1_0_0(inputs={"text": "there"}, parameters={})

    assert asyncio.run(call()) == {"heard": "hello there"}
