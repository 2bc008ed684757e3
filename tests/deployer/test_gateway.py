"""Who may call what through the gateway, and what becomes of requests that are too large, too many or too early."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.operations.deployments import deploy
from mixpeek_dagster.operations.keys import issue_key
from tests.deployer.conftest import EMBEDS, Installation, eventually, settings_for, start_installation

IDLE_SECONDS = 3.0
BODY_BYTES = 10_000


@pytest.fixture(scope="module")
def guarded(embedded: EmbeddedStores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that wants keys, parks what is idle, and takes small requests only."""
    root = tmp_path_factory.mktemp("guarded")
    limits = {"inference_keys": True, "inference_idle_seconds": IDLE_SECONDS, "inference_body_bytes": BODY_BYTES}
    with ExitStack() as stack:
        yield start_installation(stack, settings_for(embedded, root / "home", **limits), root)


def key_of(installation: Installation, organization: str, *permissions: Permission) -> str:
    return issue_key(installation.stores.catalog, organization, "test", list(permissions))[1]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def other_tenant(installation: Installation) -> NamespaceView:
    namespace = installation.stores.catalog.ensure_namespace("theirs", "another")
    return installation.stores.catalog.tenant(namespace.organization_id).namespace(namespace.namespace_id)


def test_without_a_valid_key_nothing_is_told(guarded: Installation) -> None:
    plugin = guarded.push(EMBEDS)
    guarded.deploy(plugin)
    for headers in ({}, bearer("sk_nobody_has_this"), {"Authorization": "Basic x"}):
        reply = guarded.call(plugin, **headers)
        assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert reply.json()["success"] is False
    assert httpx.get(f"{guarded.gateway.url}/targets").status_code == 401
    assert plugin.name not in httpx.get(f"{guarded.gateway.url}/readyz").text


def test_tenants_reach_their_own_plugins_only(guarded: Installation) -> None:
    theirs = other_tenant(guarded)
    plugin, twin = guarded.push(EMBEDS, "same_name"), guarded.push(EMBEDS, "same_name", view=theirs)
    guarded.deploy(plugin)
    deploy(theirs, twin.plugin_id)
    own_key = key_of(guarded, guarded.view.namespace.organization_id, Permission.READ)
    their_key = key_of(guarded, theirs.namespace.organization_id, Permission.READ)
    own = guarded.call(plugin, **bearer(own_key)).json()["build"]
    eventually(lambda: guarded.call(plugin, **bearer(their_key), **{"X-Namespace": "theirs"}).is_success)
    assert guarded.call(plugin, **bearer(their_key), **{"X-Namespace": "theirs"}).json()["build"] == own + 1
    crossed = guarded.call(plugin, **bearer(their_key), **{"X-Namespace": guarded.view.id})
    assert (crossed.status_code, "build" in crossed.text) == (404, False)
    unnamed = guarded.call(plugin, **bearer(their_key))
    assert (unnamed.status_code, "X-Namespace" in unnamed.json()["error"]["message"]) == (404, True)


def test_a_client_cannot_choose_the_address(guarded: Installation) -> None:
    key = key_of(guarded, guarded.view.namespace.organization_id, Permission.READ)
    spoofed = {"X-Mixpeek-Upstream": guarded.settings.s3_url.removeprefix("http://")}  # type: ignore[union-attr]
    reply = httpx.get(f"{guarded.gateway.url}/nosuch/route", headers={**bearer(key), **spoofed})
    assert (reply.status_code, reply.json()["error"]["type"]) == (404, "NotFoundError")


def test_a_large_request_is_refused_in_an_envelope(guarded: Installation) -> None:
    plugin = guarded.push(EMBEDS)
    guarded.deploy(plugin)
    key = key_of(guarded, guarded.view.namespace.organization_id, Permission.READ)
    url = f"{guarded.gateway.url}/{plugin.name}/1_0_0"
    body = json.dumps({"inputs": {"text": "x" * 2 * BODY_BYTES}}).encode()
    # Many: the service's own refusal must never get in the way of the gateway's.
    replies = [httpx.post(url, content=body, headers=bearer(key)) for _ in range(100)]
    replies.append(httpx.post(url, content=iter([body]), headers=bearer(key)))
    assert {(reply.status_code, reply.json()["success"]) for reply in replies} == {(413, False)}
    assert {reply.json()["error"]["message"] for reply in replies} == {"the request is larger than the gateway takes"}
    assert httpx.post(url, content=body).status_code == 401


@pytest.mark.parametrize(
    ("given", "kept"), [(["mine-1"], "mine-1"), (['"},{'], None), (['"evil', "mine-2"], "mine-2"), ([], None)]
)
def test_a_request_has_one_id_whoever_answers(guarded: Installation, given: list[str], kept: str | None) -> None:
    plugin = guarded.push(EMBEDS, "identified")
    guarded.deploy(plugin)
    key = key_of(guarded, guarded.view.namespace.organization_id, Permission.READ)
    url, ids = f"{guarded.gateway.url}/{plugin.name}/1_0_0", [("X-Request-ID", each) for each in given]
    authorized = [*ids, *bearer(key).items()]
    replies = {
        "service": httpx.post(url, json={"inputs": 3}, headers=authorized),
        "gateway": httpx.post(url, content=b"x" * 2 * BODY_BYTES, headers=authorized),
        "router": httpx.post(url, headers=ids),
    }
    assert {who: reply.status_code for who, reply in replies.items()} == {"service": 422, "gateway": 413, "router": 401}
    for reply in replies.values():
        made = reply.headers["x-request-id"]
        assert made == kept or (kept is None and made.startswith("req_"))
        assert reply.json()["error"]["details"]["request_id"] == made


@pytest.mark.slow
def test_an_idle_service_is_parked_and_woken_by_its_next_request(guarded: Installation) -> None:
    plugin = guarded.push(EMBEDS)
    guarded.deploy(plugin)
    key = key_of(guarded, guarded.view.namespace.organization_id, Permission.READ)
    eventually(lambda: not guarded.services(plugin))
    assert guarded.find(plugin).deployment.status == "DEPLOYED"
    assert guarded.call(plugin, **bearer(key)).status_code == 200
    assert len(guarded.services(plugin)) == 1


def test_a_page_lies_under_its_route(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin)
    page = f"{installation.gateway.url}/{plugin.name}/1_0_0/docs/"
    assert "swagger" in httpx.get(page).text
    specification = httpx.get(f"{page}docs.json").json()
    assert f"/{plugin.name}/1_0_0" in specification["paths"]
    reply = httpx.post(f"{page}{plugin.name}/1_0_0", json={"inputs": {"text": "hello"}})
    assert reply.json()["embedding"][0] == 5.0


def test_a_web_page_of_elsewhere_may_not_call_without_a_key(installation: Installation) -> None:
    url = f"{installation.gateway.url}/all_minilm_l6_v2/v1"
    for headers in ({"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}):
        assert httpx.post(url, json={"inputs": {"text": "x"}}, headers=headers).status_code == 403


def test_a_model_that_is_not_there_is_told_with_the_command_that_fetches_it(installation: Installation) -> None:
    url = f"{installation.gateway.url}/multilingual_e5_large_instruct/v1"
    reply = httpx.post(url, json={"inputs": {"text": "x"}}, timeout=60)
    assert reply.status_code == 503
    message = reply.json()["error"]["message"]
    assert "mixpeek models pull intfloat/multilingual-e5-large-instruct" in message
