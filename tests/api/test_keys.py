"""API keys: what is kept of them, what they open, and when they stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx

from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.stores import Stores
from tests.api.conftest import Client


def _create(client: Client, **fields: object) -> httpx.Response:
    body = {"name": "ci", "permissions": ["read"], **fields}
    return client.call("POST", f"/organizations/{client.organization}/api-keys", json=body)


def _me(server: ApiServer, authorization: str) -> httpx.Response:
    return httpx.get(f"{server.url}/v1/organizations/me", headers={"Authorization": authorization})


def test_a_new_key_opens_its_organization(client: Client, server: ApiServer) -> None:
    key = _create(client).json()
    assert key["key"].startswith(key["key_prefix"])
    reply = _me(server, f"Bearer {key['key']}")
    assert reply.json()["organization_name"] == client.organization


def test_only_a_hash_of_the_key_is_kept(client: Client, stores: Stores) -> None:
    key = _create(client).json()
    record = stores.catalog.api_keys.get(key["key_id"])
    assert key["key"] not in record.model_dump_json()
    listed = client.call("GET", f"/organizations/{client.organization}/api-keys").text
    assert key["key"] not in listed
    assert record.key_hash not in listed


def test_a_revoked_key_opens_nothing(client: Client, server: ApiServer) -> None:
    key = _create(client).json()
    reply = client.call("DELETE", f"/organizations/{client.organization}/api-keys/{key['key_id']}")
    assert reply.json()["status"] == "revoked"
    refused = _me(server, f"Bearer {key['key']}")
    assert refused.status_code == 401
    assert "revoked" in refused.json()["error"]["message"]
    assert key["key"] not in refused.text


def test_an_expired_key_opens_nothing(client: Client, server: ApiServer) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=0.4)
    key = _create(client, expires_at=soon.isoformat()).json()
    while datetime.now(UTC) <= soon:
        pass
    assert "expired" in _me(server, f"Bearer {key['key']}").json()["error"]["message"]


def test_a_key_cannot_expire_in_the_past(client: Client) -> None:
    reply = _create(client, expires_at="2020-01-01T00:00:00Z")
    assert reply.status_code == 400
    assert "in the past" in reply.json()["error"]["message"]


def test_wrong_headers_are_told_apart(server: ApiServer) -> None:
    for header, reason in (("", "no Authorization"), ("Basic abc", "not of the form"), ("Bearer sk_no", "not known")):
        reply = _me(server, header)
        assert reply.status_code == 401
        assert reason in reply.json()["error"]["message"]
        assert reply.headers["WWW-Authenticate"] == "Bearer"


def test_unknown_permissions_are_refused(client: Client) -> None:
    reply = _create(client, permissions=["everything"])
    assert reply.status_code == 422
    (problem,) = reply.json()["error"]["details"]["validation_errors"]
    assert problem["location"] == ["body", "permissions", "0"]
