"""`POST /v1/inference` of the API, through the real gateway to a deployed plugin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.catalog.plugins import DeploymentStatus
from mixpeek_dagster.operations.deployments import undeploy
from mixpeek_dagster.operations.keys import issue_key
from tests.deployer.conftest import DEADLINE, EMBEDS, Installation


@pytest.fixture(scope="module")
def api(installation: Installation) -> Iterator[httpx.Client]:
    """The API, told where the gateway is; with a key of the namespace's organization."""
    namespace = installation.view.namespace
    _, secret = issue_key(installation.stores.catalog, namespace.organization_id, "test", [Permission.READ])
    headers = {"Authorization": f"Bearer {secret}", "X-Namespace": namespace.namespace_name}
    variables = {**installation.stores.environment(), "MIXPEEK_INFERENCE_URL": installation.gateway.url}
    settings = installation.settings.model_copy(update={"api_port": 0})
    with (
        ApiServer(settings, variables) as server,
        httpx.Client(base_url=server.url, headers=headers, timeout=DEADLINE) as client,
    ):
        yield client


def ask(api: httpx.Client, **wanted: Any) -> httpx.Response:
    return api.post("/v1/inference", json={"inputs": {"text": "hello"}, **wanted})


def test_a_deployed_plugin_answers_by_each_of_its_names(installation: Installation, api: httpx.Client) -> None:
    plugin = installation.push(EMBEDS)
    before = ask(api, inference_name=plugin.plugin_id)
    assert before.status_code == 400
    assert f"mixpeek plugin deploy {plugin.plugin_id}" in before.json()["error"]["details"]["fix"]

    assert installation.deploy(plugin).deployment.status is DeploymentStatus.DEPLOYED
    for way in (
        {"inference_name": plugin.plugin_id},
        {"feature_uri": f"mixpeek://{plugin.name}@1.0.0/vector"},
        {"provider": "plugin", "model": plugin.plugin_id},
    ):
        reply = ask(api, **way)
        assert reply.status_code == 200, reply.text
        assert len(reply.json()["data"]["embedding"]) == 4
    assert plugin.plugin_id in [each["inference_name"] for each in api.get("/v1/inference").json()["results"]]

    undeploy(installation.view, plugin.plugin_id)
    assert ask(api, inference_name=plugin.plugin_id).status_code == 400


def test_what_a_plugin_raises_arrives_as_the_apis_error(installation: Installation, api: httpx.Client) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin)
    reply = ask(api, inference_name=plugin.plugin_id, inputs={"wrong": 1})
    assert reply.status_code == 500
    error = reply.json()["error"]
    assert error["type"] == "FeatureExtractionError"
    assert "KeyError" in error["message"]
    assert "Traceback" not in reply.text
