"""`/v1/inference`: names to routes, what is passed on, and every way to be refused."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.catalog.plugins import DeploymentStatus
from mixpeek_dagster.operations.deployments import advance, deploy
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores
from tests.api.conftest import Client, MakeClient, MakeZip
from tests.api.upstream import Upstream

REALTIME = "class InferenceService:\n    def __call__(self, inputs, parameters):\n        return {}\n"
TWO = """
features = [
    {"feature_type": "embedding", "feature_name": n, "embedding_dim": 4, "distance_metric": "cosine"}
    for n in ("left", "right")
]
"""


def ask(client: Client, **wanted: Any) -> httpx.Response:
    return client.call("POST", "/inference", json={"inputs": {"text": "hello"}, **wanted})


@pytest.fixture
def served(client: Client, make_zip: MakeZip, stores: Stores) -> Client:
    """A client whose namespace has the plugin `tiny_1_0_0`, deployed."""
    assert client.push(make_zip(files={"realtime.py": REALTIME}), "tiny").is_success
    set_deployed(client, stores, "tiny_1_0_0")
    return client


def set_deployed(client: Client, stores: Stores, plugin_id: str) -> None:
    """What a deployer does to the record."""
    view = stores.catalog.tenant(client.organization_id).namespace(client.namespace)
    plugin = deploy(view, plugin_id)
    for status in (DeploymentStatus.PENDING, DeploymentStatus.IN_PROGRESS):
        plugin = advance(view.catalog, plugin, status, "")
    advance(view.catalog, plugin, DeploymentStatus.DEPLOYED, "", serving=plugin.reference)


@pytest.mark.parametrize(
    "name",
    ["all_minilm_l6_v2", "sentence_transformers__all_minilm_l6_v2", "Sentence-Transformers__all-MiniLM-L6-v2"],
)
def test_a_built_in_service_answers_to_its_names(client: Client, upstream: Upstream, name: str) -> None:
    reply = ask(client, inference_name=name, parameters={"normalize": True})
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body.pop("latency_ms") > 0
    assert body == {
        "data": {"embedding": [1.0, 2.0]},
        "provider": "sentence-transformers",
        "model": "all-MiniLM-L6-v2",
        "cached": False,
    }
    (asked,) = upstream.asked
    assert asked.path == "/all_minilm_l6_v2/v1"
    assert asked.body == {"inputs": {"text": "hello"}, "parameters": {"normalize": True}}


def test_provider_and_model_of_a_reply_reach_the_same(client: Client, upstream: Upstream) -> None:
    first = ask(client, inference_name="BAAI__bge_reranker_v2_m3").json()
    again = ask(client, provider=first["provider"], model=first["model"])
    assert again.status_code == 200
    assert [asked.path for asked in upstream.asked] == ["/bge_reranker_v2_m3/v1"] * 2


def test_key_namespace_and_request_id_are_passed_on(client: Client, upstream: Upstream) -> None:
    wanted = {"inference_name": "all_minilm_l6_v2", "inputs": {}}
    reply = client.call("POST", "/inference", json=wanted, headers={"X-Request-ID": "mine-7"})
    assert reply.headers["X-Request-ID"] == "mine-7"
    (asked,) = upstream.asked
    assert asked.headers["Authorization"] == client.http.headers["Authorization"]
    assert asked.headers["X-Namespace"] == client.namespace
    assert asked.headers["X-Request-ID"] == "mine-7"


def test_a_deployed_plugin_answers_by_id_and_by_feature(served: Client, upstream: Upstream) -> None:
    by_id = ask(served, inference_name="tiny_1_0_0")
    assert by_id.status_code == 200, by_id.text
    assert (by_id.json()["provider"], by_id.json()["model"]) == ("plugin", "tiny_1_0_0")
    for uri in ("mixpeek://tiny@1.0.0/vector", "mixpeek://tiny@1.0.0", "mixpeek://tiny@v1/vector"):
        assert ask(served, feature_uri=uri).status_code == 200, uri
    assert {asked.path for asked in upstream.asked} == {"/tiny/1_0_0"}
    inputs = [asked.body["inputs"] for asked in upstream.asked]
    assert inputs == [{"text": "hello"}, *[{"text": "hello", "vector_index": "vector"}] * 3]


def test_a_feature_uri_of_the_original_reaches_the_built_in_service(client: Client, upstream: Upstream) -> None:
    reply = ask(client, feature_uri="mixpeek://text_extractor@v1/multilingual_e5_large_instruct_v1")
    assert reply.status_code == 200
    assert upstream.asked[0].path == "/multilingual_e5_large_instruct/v1"


def test_a_uri_must_say_which_of_several_vectors(
    client: Client, make_zip: MakeZip, stores: Stores, upstream: Upstream
) -> None:
    assert client.push(make_zip(extra=TWO, files={"realtime.py": REALTIME}), "tiny").is_success
    set_deployed(client, stores, "tiny_1_0_0")
    refused = ask(client, feature_uri="mixpeek://tiny@1.0.0")
    assert refused.status_code == 400
    assert "left, right" in refused.json()["error"]["details"]["fix"]
    assert ask(client, feature_uri="mixpeek://tiny@1.0.0/right").status_code == 200
    assert upstream.asked[0].body["inputs"]["vector_index"] == "right"


def test_inputs_that_name_another_vector_than_the_uri_are_refused(served: Client, upstream: Upstream) -> None:
    reply = ask(served, feature_uri="mixpeek://tiny@1.0.0/vector", inputs={"vector_index": "other"})
    assert reply.status_code == 400
    assert "'other'" in reply.json()["error"]["message"]
    assert not upstream.asked


def test_a_plugin_that_is_not_deployed_says_its_state_and_the_command(
    client: Client, make_zip: MakeZip, upstream: Upstream
) -> None:
    assert client.push(make_zip(files={"realtime.py": REALTIME}), "tiny").is_success
    for wanted in ({"inference_name": "tiny_1_0_0"}, {"feature_uri": "mixpeek://tiny@1.0.0/vector"}):
        reply = ask(client, **wanted)
        assert reply.status_code == 400, reply.text
        assert "NOT_DEPLOYED" in reply.json()["error"]["message"]
        assert "mixpeek plugin deploy tiny_1_0_0" in reply.json()["error"]["details"]["fix"]
    assert not upstream.asked


def test_a_plugin_answers_while_another_build_of_it_is_deployed(
    served: Client, stores: Stores, upstream: Upstream
) -> None:
    deploy(stores.catalog.tenant(served.organization_id).namespace(served.namespace), "tiny_1_0_0")
    assert served.plugins("GET", "/tiny_1_0_0/status").json()["status"] == "QUEUED"
    assert ask(served, inference_name="tiny_1_0_0").status_code == 200


@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [
        ({"inference_name": "nothing"}, 404, "all_minilm_l6_v2"),
        ({"provider": "openai", "model": "gpt-4o"}, 404, "all_minilm_l6_v2"),
        ({"feature_uri": "mixpeek://nothing@1.0.0/vector"}, 404, "none yet"),
        ({"feature_uri": "https://example.com"}, 400, "mixpeek://"),
        ({"feature_uri": "mixpeek://tiny@1.0.0/other"}, 404, "There are: vector"),
        ({}, 422, "one of inference_name, feature_uri"),
        ({"inference_name": "a", "feature_uri": "b"}, 422, "one of inference_name, feature_uri"),
        ({"provider": "openai"}, 422, "go together"),
        ({"inference_name": "all_minilm_l6_v2", "inputs": None}, 422, "inputs"),
        ({"inference_name": "all_minilm_l6_v2", "enable_semantic_cache": True}, 422, "enable_semantic_cache"),
    ],
)
def test_what_cannot_be_asked_is_one_clear_error(
    client: Client, make_zip: MakeZip, wanted: dict[str, Any], status: int, said: str
) -> None:
    if "tiny" in str(wanted):
        assert client.push(make_zip(), "tiny").is_success
    reply = ask(client, **wanted)
    assert reply.status_code == status, reply.text
    assert said in reply.text


def test_errors_of_the_gateway_keep_their_status_words_and_retry_after(client: Client, upstream: Upstream) -> None:
    error = {"type": "TooManyRequestsError", "message": "1,024 inputs wait", "details": {"queued": 1024}}
    upstream.plan({"success": False, "status": 429, "error": error}, 429, Retry_After="3")
    reply = ask(client, inference_name="all_minilm_l6_v2")
    assert reply.status_code == 429
    assert reply.headers["Retry-After"] == "3"
    body = reply.json()
    assert (body["success"], body["status"]) == (False, 429)
    assert (body["error"]["type"], body["error"]["message"]) == ("TooManyRequestsError", "1,024 inputs wait")
    assert body["error"]["details"]["queued"] == 1024
    assert body["error"]["details"]["code"] == "serving_failed"


@pytest.mark.parametrize(
    ("body", "status", "becomes", "kind"),
    [
        (b"Bad Gateway", 502, 502, "InternalServerError"),
        (b"", 503, 503, "InferenceServiceUnavailableError"),
        (b"<html>", 200, 502, "InternalServerError"),
        ([1, 2], 200, 502, "InternalServerError"),
        (b"", 302, 502, "InternalServerError"),
    ],
)
def test_replies_that_are_not_of_a_service_become_envelopes(
    client: Client, upstream: Upstream, body: Any, status: int, becomes: int, kind: str
) -> None:
    upstream.plan(body, status, Location=f"{upstream.url}/elsewhere")
    reply = ask(client, inference_name="all_minilm_l6_v2")
    assert reply.status_code == becomes
    assert reply.json()["error"]["type"] == kind
    assert reply.json()["error"]["message"]
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ({}, "mixpeek up"),
        pytest.param({"MIXPEEK_INFERENCE_URL": "http://127.0.0.1:9"}, "127.0.0.1:9", marks=pytest.mark.slow),
    ],
)
def test_without_a_gateway_the_error_says_what_starts_it(
    api_settings: Settings, stores: Stores, client: Client, tmp_path: Path, url: dict[str, str], said: str
) -> None:
    alone = {**stores.environment(), "MIXPEEK_HOME": str(tmp_path), "MIXPEEK_API_PORT": "0", **url}
    with ApiServer(api_settings, alone) as server:
        wanted = {"inference_name": "all_minilm_l6_v2", "inputs": {"text": "hello"}}
        reply = httpx.post(f"{server.url}/v1/inference", json=wanted, headers=client.http.headers, timeout=60)
    assert reply.status_code == 503
    assert reply.json()["error"]["type"] == "InferenceServiceUnavailableError"
    assert said in reply.text


def test_the_list_has_built_in_services_and_deployed_plugins(
    served: Client, make_zip: MakeZip, upstream: Upstream
) -> None:
    assert served.push(make_zip("idle", files={"realtime.py": REALTIME}), "idle").is_success
    body = served.call("GET", "/inference").json()
    assert body["gateway"] == upstream.url
    found = {endpoint["inference_name"]: endpoint for endpoint in body["results"]}
    assert "idle_1_0_0" not in found
    assert found["tiny_1_0_0"] == {
        "inference_name": "tiny_1_0_0",
        "source": "plugin",
        "provider": "plugin",
        "model": "tiny_1_0_0",
        "route": "/tiny/1_0_0",
        "kind": "plugin",
        "dimension": 4,
        "vectors": ["vector"],
    }
    e5 = found["multilingual_e5_large_instruct"]
    assert (e5["route"], e5["kind"], e5["dimension"]) == ("/multilingual_e5_large_instruct/v1", "embedding", 1024)
    assert {"siglip_base_patch16_224", "jina_embeddings_v2_base_code", "whisper_large_v3_turbo"} <= set(found)


def test_plugins_of_another_tenant_are_not_there(served: Client, make_client: MakeClient, upstream: Upstream) -> None:
    stranger = make_client()
    assert ask(stranger, inference_name="tiny_1_0_0").status_code == 404
    assert ask(stranger, feature_uri="mixpeek://tiny@1.0.0/vector").status_code == 404
    assert ask(stranger, provider="plugin", model="tiny_1_0_0").status_code == 404
    listed = stranger.call("GET", "/inference").json()["results"]
    assert {endpoint["source"] for endpoint in listed} == {"built-in"}
    into = stranger.call(
        "POST",
        "/inference",
        json={"inference_name": "tiny_1_0_0", "inputs": {}},
        headers={"X-Namespace": served.namespace},
    )
    assert into.status_code == 404
    assert not upstream.asked


def test_a_large_input_passes_and_a_huge_one_does_not(client: Client, upstream: Upstream) -> None:
    assert ask(client, inference_name="all_minilm_l6_v2", inputs={"image": "x" * (8 << 20)}).status_code == 200
    assert ask(client, inference_name="all_minilm_l6_v2", inputs={"image": "x" * (33 << 20)}).status_code == 413
    assert len(upstream.asked) == 1


def test_many_slow_calls_leave_the_api_free(client: Client, upstream: Upstream) -> None:
    """More than there are threads for: calls wait without holding one."""
    inside, release = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        inside.release()
        release.wait(60)

    upstream.hold = hold
    threads = [
        threading.Thread(target=ask, args=(client,), kwargs={"inference_name": "all_minilm_l6_v2"}) for _ in range(60)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            assert inside.acquire(timeout=60)
        assert client.call("GET", "/organizations/me").status_code == 200
    finally:
        release.set()
        upstream.hold = None
        for thread in threads:
            thread.join()
