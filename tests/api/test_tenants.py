"""Every route with another tenant's key and ids. A new route is tried as soon as it exists."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from mixpeek_dagster.api.app import create_app
from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.catalog.records import Batch, TaskStatus
from mixpeek_dagster.ids import Prefix, new_id
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores
from tests.api.conftest import Client, MakeClient, MakeModel, MakeZip

PUBLIC = {"health"}
FILE = {"key": "a.txt", "size_bytes": 1, "content_hash": "0" * 64, "mime_type": "text/plain"}
# Bodies that are right, so that nothing but the tenant can be what is refused.
BODIES: dict[str, dict[str, Any]] = {
    "create_api_key": {"name": "k", "permissions": ["read"]},
    "post_namespace": {"namespace_name": "fresh"},
    "create_plugin_upload": {"name": "tiny", "version": "1.0.0"},
    "create_model_upload": {"name": "tiny", "version": "1.0.0", "model_format": "safetensors"},
    "reconfigure_namespace": {"confirm": True},
    "create_bucket": {"bucket_name": "fresh"},
    "infer": {"inference_name": "all_minilm_l6_v2", "inputs": {"text": "hello"}},
    "post_collection": {
        "collection_name": "fresh",
        "source": {"type": "bucket", "bucket_ids": ["docs"]},
        "feature_extractor": {"feature_extractor_name": "tiny", "version": "1.0.0"},
    },
}
BODIES |= {
    "plan_files": {"bucket": "docs", "files": [FILE]},
    "ingest_files": {"bucket": "docs", "files": [FILE]},
    "put_sync": {},
    "put_schema": {},
    "search": {"query": "hello"},
}
# Read, though they are not GET: these take a body.
READS = {"list_namespaces", "list_buckets", "list_collections", "list_batches", "infer", "search", "search_by_file"}
# Values of path and query parameters that mean nothing anywhere.
NOTHING = ("plugin_id", "model_id", "upload_id", "bucket", "collection", "key_id", "batch_id", "run_id")


@dataclass(frozen=True)
class Victim:
    """What one organization has; `marker` stands in all its texts and in none of its ids."""

    client: Client
    marker: str
    ids: dict[str, str]


def routes() -> list[APIRoute]:
    """The app's routes, but for its pages; none of them is called here, so it needs no stores."""
    app = create_app(None, Settings())  # type: ignore[arg-type]
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    return [route for route in routes if route.name not in PUBLIC]


def enter_batch(stores: Stores, bucket: str, marker: str) -> str:
    """A batch that is over, as arrivals make it."""
    batch = Batch(
        batch_id=new_id(Prefix.BATCH),
        bucket_id=bucket,
        namespace_id=stores.catalog.buckets.get(bucket).namespace_id,
        object_count=0,
        content_hash="",
        created_at=datetime.now(UTC),
        status=TaskStatus.FAILED,
        reason=marker,
    )
    return stores.catalog.batches.insert(batch).batch_id


@pytest.fixture
def victim(make_client: MakeClient, make_zip: MakeZip, make_model: MakeModel, stores: Stores) -> Victim:
    marker = f"m{secrets.token_hex(6)}"
    client = make_client(organization=f"o{marker}", namespace=f"n{marker}")
    archive = make_zip(extra=f'\ndescription = "{marker}"\n')
    assert client.push(archive, "tiny").status_code == 200
    bucket = client.call("POST", "/buckets", json={"bucket_name": f"b{marker}"}).json()["bucket_id"]
    wanted = {
        "collection_name": f"c{marker}",
        "source": {"type": "bucket", "bucket_ids": [bucket]},
        "feature_extractor": {"feature_extractor_name": "tiny", "version": "1.0.0"},
    }
    collection = client.call("POST", "/collections", json=wanted)
    assert collection.status_code == 201, collection.text
    namespace = client.call("GET", f"/namespaces/{client.namespace}").json()["namespace_id"]
    key = client.call("GET", f"/organizations/{client.organization}/api-keys").json()["results"][0]["key_id"]
    found = {
        "namespace": namespace,
        "organization": client.organization_id,
        "plugin_id": "tiny_1_0_0",
        "model_id": client.upload_model(make_model(marker), "tiny-model", description=marker).json()["model_id"],
        "upload_id": client.begin("other")["upload_id"],
        "bucket": bucket,
        "collection": collection.json()["collection_id"],
        "key_id": key,
        "batch_id": enter_batch(stores, bucket, marker),
        "run_id": str(uuid.uuid4()),
    }
    return Victim(client, marker, found)


def attempts(route: APIRoute, client: Client, ids: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """Each method of a route, called with these ids."""
    unknown = [name for name in route.param_convertors if name not in ids]
    assert not unknown, f"give {route.path} a value for {unknown} in this test"
    path = route.path_format.format(**ids)
    options: dict[str, Any] = {"headers": {"X-Namespace": ids["namespace"]}}
    if "batch_id" in {parameter.name for parameter in route.dependant.query_params}:
        options["params"] = {"batch_id": ids["batch_id"]}
    if route.name == "search_by_file":
        options |= {"files": {"file": ("a.txt", b"hello")}}
    elif route.name == "upload_plugin":
        options |= {"files": {"file": b"zip"}, "data": {"name": "tiny", "version": "1.0.0"}}
    elif route.name in BODIES:
        options["json"] = BODIES[route.name]
    for method in route.methods or ():
        yield f"{method} {route.path}", client.http.request(method, path, **options)


def needs_namespace(route: APIRoute) -> bool:
    """Whether the route works on one namespace."""
    return "{" in route.path or any("in_header" in str(d.call) for d in route.dependant.dependencies)


def test_no_route_gives_another_tenant_anything(victim: Victim, make_client: MakeClient) -> None:
    stranger = make_client()
    for route in routes():
        for what, reply in attempts(route, stranger, victim.ids):
            assert victim.marker not in reply.text, f"{what} told a stranger: {reply.text}"
            assert reply.status_code != 422, f"{what} needs a right body in this test: {reply.text}"
            if needs_namespace(route):
                assert reply.status_code == 404, f"{what} answered a stranger {reply.status_code}: {reply.text}"
    assert victim.client.plugins("GET", "/tiny_1_0_0").status_code == 200
    assert victim.client.models("GET", "/tiny-model_1_0_0").status_code == 200
    assert victim.client.call("GET", f"/collections/{victim.ids['collection']}").status_code == 200


def test_ids_of_another_tenant_mean_nothing_in_an_own_namespace(victim: Victim, make_client: MakeClient) -> None:
    stranger = make_client()
    own = {"namespace": stranger.namespace, "organization": stranger.organization_id}
    for route in routes():
        if not set(route.param_convertors) - {"namespace", "organization"}:
            continue
        for what, reply in attempts(route, stranger, victim.ids | own):
            assert reply.status_code == 404, f"{what} answered a stranger {reply.status_code}: {reply.text}"
            assert victim.marker not in reply.text


def test_no_route_works_without_a_key(client: Client) -> None:
    ids = dict.fromkeys(NOTHING, "x")
    ids |= {"namespace": client.namespace, "organization": client.organization}
    del client.http.headers["Authorization"]
    for route in routes():
        for what, reply in attempts(route, client, ids):
            assert reply.status_code == 401, what
            assert reply.json()["error"]["type"] == "UnauthorizedError"
            assert "Bearer" in reply.json()["error"]["details"]["fix"]


@pytest.mark.parametrize("permission", [Permission.READ, Permission.WRITE, Permission.DELETE])
def test_a_key_does_only_what_it_may(permission: Permission, make_client: MakeClient) -> None:
    client = make_client(permission)
    ids = dict.fromkeys(NOTHING, "x")
    ids |= {"namespace": client.namespace, "organization": client.organization}
    for route in routes():
        for what, reply in attempts(route, client, ids):
            allowed = permission.includes(_needed(route, what))
            if not allowed:
                assert reply.status_code == 403, f"{what} answered {reply.status_code}"
                assert reply.json()["error"]["type"] == "ForbiddenError"
            else:
                assert reply.status_code != 403, f"{what} was refused: {reply.text}"


def _needed(route: APIRoute, what: str) -> Permission:
    if "/api-keys" in route.path:
        return Permission.ADMIN
    if what.startswith("GET") or route.name in READS:
        return Permission.READ
    return Permission.DELETE if what.startswith("DELETE") else Permission.WRITE


def test_two_organizations_may_use_the_same_names(make_client: MakeClient, make_zip: MakeZip) -> None:
    archive = make_zip()
    for number in range(2):
        client = make_client(namespace="shared")
        assert client.push(archive, "tiny").status_code == 200
        reply = client.call("POST", "/buckets", json={"bucket_name": "docs"})
        assert reply.status_code == 201, (number, reply.text)
        assert f"/{client.organization}/" in reply.json()["location"]


def test_records_of_another_tenant_cannot_be_entered(stores: Stores, client: Client, tiny: Path) -> None:
    client.push(tiny, "tiny")
    view = stores.catalog.tenant(client.organization_id).namespace(client.namespace)
    (plugin,) = view.plugins.find(view.id)
    with pytest.raises(ValueError, match="another namespace_id"):
        stores.catalog.plugins.within(namespace_id="ns_other").put(plugin)
