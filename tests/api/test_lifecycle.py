"""Using, enabling, deploying and deleting registered plugins."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from mixpeek_dagster.catalog.plugins import DeploymentStatus
from mixpeek_dagster.errors import InUse, InvalidRequest
from mixpeek_dagster.operations.deployments import advance
from mixpeek_dagster.operations.plugins import find_plugin
from mixpeek_dagster.stores import Stores
from tests.api.conftest import Client, MakeClient, MakeZip

REALTIME = """
class InferenceService:
    async def __call__(self, inputs, parameters):
        return {"embedding": [1.0, 2.0, 3.0, 4.0]}
"""
PARAMETERS = '\nparameter_schema = {"threshold": {"type": "number"}, "api_key": {"type": "string"}}\n'


@pytest.fixture
def pushed(client: Client, tiny: Path) -> Client:
    assert client.push(tiny, "tiny").status_code == 200
    client.call("POST", "/buckets", json={"bucket_name": "docs"})
    return client


def collection(client: Client, name: str = "notes", **extractor: object) -> httpx.Response:
    wanted = {
        "collection_name": name,
        "source": {"type": "bucket", "bucket_ids": ["docs"]},
        "feature_extractor": {"feature_extractor_name": "tiny", "version": "1.0.0", **extractor},
    }
    return client.call("POST", "/collections", json=wanted)


def test_a_collection_of_a_registered_plugin_has_its_vectors(pushed: Client) -> None:
    made = collection(pushed)
    assert made.status_code == 201, made.text
    found = pushed.call("GET", f"/collections/{made.json()['collection_id']}").json()
    assert found["vector_indexes"] == [{"name": "vector", "dimensions": 4, "distance": "Cosine"}]
    assert found["document_count"] == 0
    listed = pushed.call("POST", "/collections/list", params={"include_total": True}).json()
    assert [item["collection_name"] for item in listed["results"]] == ["notes"]
    assert listed["pagination"]["total"] == 1


def test_a_plugin_in_use_can_be_neither_deleted_nor_disabled(pushed: Client) -> None:
    collection(pushed)
    for reply in (pushed.plugins("DELETE", "/tiny_1_0_0"), pushed.plugins("POST", "/org/tiny_1_0_0/disable")):
        assert reply.status_code == 409
        assert "notes" in reply.json()["error"]["message"]
    assert pushed.plugins("GET", "/tiny_1_0_0").json()["plugin"]["enabled"] is True
    assert pushed.call("DELETE", "/collections/notes").status_code == 200
    assert pushed.plugins("DELETE", "/tiny_1_0_0").status_code == 200
    assert pushed.plugins("GET", "/tiny_1_0_0").status_code == 404


def test_deleting_a_plugin_deletes_its_archive(pushed: Client, stores: Stores) -> None:
    plugin = pushed.plugins("GET", "/tiny_1_0_0").json()["plugin"]
    pushed.plugins("DELETE", "/tiny_1_0_0")
    key = plugin["s3_archive_url"].partition(f"{stores.settings.s3_bucket}/")[2]
    assert stores.objects.keys(key) == []


def test_a_disabled_plugin_makes_no_collections(pushed: Client) -> None:
    assert pushed.plugins("POST", "/org/tiny_1_0_0/disable").json()["enabled"] is False
    reply = collection(pushed)
    assert reply.status_code == 400
    assert "disabled" in reply.json()["error"]["message"]
    assert pushed.plugins("POST", "/org/tiny_1_0_0/enable").json()["enabled"] is True
    assert collection(pushed).status_code == 201


def test_a_plugin_is_enabled_in_another_namespace_with_parameters(make_client: MakeClient, make_zip: MakeZip) -> None:
    first = make_client()
    second = make_client(organization=first.organization)
    first.push(make_zip(extra=PARAMETERS), "tiny")
    (available,) = second.plugins("GET", "/available").json()["plugins"]
    assert available["enabled_in_namespace"] is False

    body = {"params": {"threshold": 0.8, "api_key": "secret"}}
    path = f"/organizations/{first.organization}/plugins/tiny_1_0_0/enable"
    reply = second.call("POST", path, json=body)
    assert reply.status_code == 200, reply.text
    assert "api_key looks like a secret" in reply.json()["message"]

    second.call("POST", "/buckets", json={"bucket_name": "docs"})
    made = collection(second, parameters={"threshold": 0.9}).json()
    assert made["feature_extractor"]["parameters"] == {"threshold": 0.9, "api_key": "secret"}
    assert first.plugins("DELETE", "/tiny_1_0_0").status_code == 200
    assert collection(second, "more").status_code == 201


def test_parameters_that_do_not_fit_are_refused(client: Client, make_zip: MakeZip) -> None:
    client.push(make_zip(extra=PARAMETERS), "tiny")
    client.call("POST", "/buckets", json={"bucket_name": "docs"})
    reply = client.plugins("POST", "/org/tiny_1_0_0/enable", json={"params": {"threshold": "high"}})
    assert reply.status_code == 400
    assert "threshold" in reply.json()["error"]["message"]
    reply = collection(client, parameters={"treshold": 1})
    assert "'treshold' is unknown" in reply.json()["error"]["message"]


def test_without_realtime_a_deployment_stays_batch_only(pushed: Client) -> None:
    reply = pushed.plugins("POST", "/tiny_1_0_0/deploy").json()
    assert (reply["status"], reply["deployment_type"]) == ("batch_only", "batch_only")
    status = pushed.plugins("GET", "/tiny_1_0_0/status").json()
    assert status["status"] == "NOT_DEPLOYED"
    assert "no realtime.py" in status["message"]
    refused = pushed.plugins("POST", "/tiny_1_0_0/deploy", params={"deployment_type": "realtime"})
    assert refused.status_code == 400
    assert "batch_only" in refused.json()["error"]["details"]["fix"]


def test_with_realtime_a_deployment_is_queued_and_can_be_taken_back(client: Client, make_zip: MakeZip) -> None:
    client.push(make_zip(files={"realtime.py": REALTIME}), "tiny")
    reply = client.plugins("POST", "/tiny_1_0_0/deploy").json()
    assert (reply["status"], reply["route_prefix"]) == ("queued", "/tiny/1_0_0")
    status = client.plugins("GET", "/tiny_1_0_0/status").json()
    assert (status["status"], status["realtime_enabled"]) == ("QUEUED", True)
    assert status["queued_at"]
    assert client.plugins("POST", "/tiny_1_0_0/undeploy").json()["status"] == "NOT_DEPLOYED"


def test_the_states_follow_each_other_and_are_kept(client: Client, make_zip: MakeZip, stores: Stores) -> None:
    client.push(make_zip(files={"realtime.py": REALTIME}), "tiny")
    view = stores.catalog.tenant(client.organization_id).namespace(client.namespace)
    client.plugins("POST", "/tiny_1_0_0/deploy")
    for status in (DeploymentStatus.PENDING, DeploymentStatus.IN_PROGRESS, DeploymentStatus.DEPLOYED):
        plugin = find_plugin(view, "tiny_1_0_0")
        serving = plugin.reference if status is DeploymentStatus.DEPLOYED else None
        advance(stores.catalog, plugin, status, "going on", serving=serving)
        assert client.plugins("GET", "/tiny_1_0_0/status").json()["status"] == status
    shown = client.plugins("GET", "/tiny_1_0_0/status").json()
    assert (shown["deployed"], shown["route_prefix"]) == (True, "/tiny/1_0_0")
    with pytest.raises(InvalidRequest, match="PENDING cannot follow DEPLOYED"):
        advance(stores.catalog, find_plugin(view, "tiny_1_0_0"), DeploymentStatus.PENDING, "")
    advance(stores.catalog, find_plugin(view, "tiny_1_0_0"), DeploymentStatus.FAILED, "it ran out of memory")
    assert client.plugins("GET", "/tiny_1_0_0/status").json()["error"] == "it ran out of memory"


def test_of_two_who_go_on_from_one_state_one_is_told(client: Client, make_zip: MakeZip, stores: Stores) -> None:
    client.push(make_zip(files={"realtime.py": REALTIME}), "tiny")
    view = stores.catalog.tenant(client.organization_id).namespace(client.namespace)
    client.plugins("POST", "/tiny_1_0_0/deploy")
    queued = find_plugin(view, "tiny_1_0_0")
    advance(stores.catalog, queued, DeploymentStatus.PENDING, "mine")
    with pytest.raises(InUse, match="no longer QUEUED"):
        advance(stores.catalog, queued, DeploymentStatus.PENDING, "also mine")


def test_reconfigure_adds_vectors_and_removes_none(pushed: Client) -> None:
    first = pushed.plugins("POST", "/reconfigure", json={"confirm": True}).json()
    assert (first["status"], first["vectors_added"]) == ("reconfigured", ["vector"])
    second = pushed.plugins("POST", "/reconfigure", json={"confirm": True}).json()
    assert (second["status"], second["vectors_total"]) == ("no_changes_needed", ["vector"])
    assert pushed.plugins("POST", "/reconfigure", json={"confirm": False}).status_code == 422


def test_a_namespace_is_deleted_only_when_it_is_empty(pushed: Client) -> None:
    refused = pushed.call("DELETE", f"/namespaces/{pushed.namespace}")
    assert refused.status_code == 409
    assert "1 plugins, 1 buckets" in refused.json()["error"]["message"]
    pushed.plugins("DELETE", "/tiny_1_0_0")
    pushed.call("DELETE", "/buckets/docs")
    assert pushed.call("DELETE", f"/namespaces/{pushed.namespace}").status_code == 200
    assert pushed.call("GET", f"/namespaces/{pushed.namespace}").status_code == 404
