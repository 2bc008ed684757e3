"""The API as a process of its own, over real stores, with two organizations that must never see each other."""

from __future__ import annotations

import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.operations.keys import issue_key
from mixpeek_dagster.plugins.archive import pack
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores, open_stores
from tests.api.upstream import Upstream, serving
from tests.runs.conftest import EMBED, MANIFEST, PIPELINE


@dataclass
class Client:
    """One organization's key, speaking HTTP to the server."""

    http: httpx.Client
    organization: str
    organization_id: str
    namespace: str

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request below /v1."""
        return self.http.request(method, f"/v1{path}", **options)

    def plugins(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        """A request for this namespace's plugins."""
        return self.call(method, f"/namespaces/{self.namespace}/plugins{path}", **options)

    def begin(self, name: str, version: str = "1.0.0") -> dict[str, Any]:
        """Ask for an upload."""
        reply = self.plugins("POST", "/uploads", json={"name": name, "version": version})
        assert reply.status_code == 201, reply.text
        upload: dict[str, Any] = reply.json()
        return upload

    def put(self, archive: Path, name: str, version: str = "1.0.0") -> str:
        """Put a zip without confirming it; gives the upload's id."""
        upload = self.begin(name, version)
        assert httpx.put(upload["presigned_url"], content=archive.read_bytes()).is_success
        return str(upload["upload_id"])

    def confirm(self, upload_id: str, **body: Any) -> httpx.Response:
        """Confirm an upload."""
        return self.plugins("POST", f"/uploads/{upload_id}/confirm", json=body)

    def push(self, archive: Path, name: str, version: str = "1.0.0") -> httpx.Response:
        """All three calls."""
        return self.confirm(self.put(archive, name, version))

    def models(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        """A request for this namespace's models."""
        return self.call(method, f"/namespaces/{self.namespace}/models{path}", **options)

    def put_model(
        self, file: Path, name: str, version: str = "1.0.0", model_format: str = "safetensors", description: str = ""
    ) -> str:
        """Put a model's file without confirming it; gives the upload's id."""
        wanted = {"name": name, "version": version, "model_format": model_format, "description": description}
        reply = self.models("POST", "/uploads", json=wanted)
        assert reply.status_code == 201, reply.text
        assert httpx.put(reply.json()["presigned_url"], content=file.read_bytes()).is_success
        return str(reply.json()["upload_id"])

    def upload_model(self, file: Path, name: str, *options: str, **more: str) -> httpx.Response:
        """All three calls."""
        return self.models("POST", f"/uploads/{self.put_model(file, name, *options, **more)}/confirm", json={})


MakeClient = Callable[..., Client]
MakeZip = Callable[..., Path]
MakeModel = Callable[..., Path]


@pytest.fixture(scope="session")
def api_settings(embedded: EmbeddedStores, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    values: dict[str, Any] = {
        "home": tmp_path_factory.mktemp("api") / "home",
        "mongodb_url": embedded.mongodb_url,
        "mongodb_database": f"api_{secrets.token_hex(4)}",
        "qdrant_url": embedded.qdrant_url,
        "s3_url": embedded.s3_url,
        "s3_access_key_id": embedded.s3_access_key_id,
        "s3_secret_access_key": embedded.s3_secret_access_key,
        "api_port": 0,
    }
    return Settings.model_validate(values)


@pytest.fixture(scope="session")
def stores(api_settings: Settings) -> Iterator[Stores]:
    with open_stores(api_settings) as stores:
        yield stores


@pytest.fixture(scope="session")
def running_upstream() -> Iterator[Upstream]:
    with serving(Upstream()) as upstream:
        yield upstream


@pytest.fixture
def upstream(running_upstream: Upstream) -> Upstream:
    """What the API takes for the gateway of realtime inference."""
    running_upstream.plan({"embedding": [1.0, 2.0]})
    return running_upstream


@pytest.fixture(scope="session")
def server(api_settings: Settings, stores: Stores, running_upstream: Upstream) -> Iterator[ApiServer]:
    running_upstream.plan({"embedding": [1.0, 2.0]})
    with ApiServer(api_settings, {**stores.environment(), "MIXPEEK_INFERENCE_URL": running_upstream.url}) as server:
        yield server


@pytest.fixture
def make_client(server: ApiServer, stores: Stores) -> Iterator[MakeClient]:
    """A client of an organization; a new one with a namespace of its own if none is named."""
    opened: list[httpx.Client] = []

    def make(*permissions: Permission, organization: str | None = None, namespace: str | None = None) -> Client:
        name = organization or f"o{secrets.token_hex(5)}"
        record = stores.catalog.ensure_namespace(namespace or f"n{secrets.token_hex(5)}", name)
        wanted = permissions or (Permission.ADMIN,)
        _, secret = issue_key(stores.catalog, record.organization_id, "test", wanted)
        headers = {"Authorization": f"Bearer {secret}", "X-Namespace": record.namespace_name}
        opened.append(httpx.Client(base_url=server.url, headers=headers, timeout=120))
        return Client(opened[-1], name, record.organization_id, record.namespace_name)

    yield make
    for http in opened:
        http.close()


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client()


@pytest.fixture
def make_zip(tmp_path: Path) -> MakeZip:
    """A zip of a tiny plugin; `core` is its processors' code, `files` are further files."""

    def make(
        name: str = "tiny",
        *,
        core: str = EMBED,
        extra: str = "",
        version: str = "1.0.0",
        files: dict[str, str] | None = None,
    ) -> Path:
        folder = tmp_path / secrets.token_hex(4) / name
        (folder / "processors").mkdir(parents=True)
        manifest = MANIFEST.format(name=name, inputs="None", types='["text"]').replace("1.0.0", version) + extra
        texts = {
            "manifest.py": manifest,
            "pipeline.py": PIPELINE.format(condition="ALWAYS"),
            "processors/core.py": core,
        }
        for path, text in (texts | (files or {})).items():
            (folder / path).write_text(text, encoding="utf-8")
        archive = folder.parent / f"{name}.zip"
        pack(folder, archive)
        shutil.rmtree(folder)
        return archive

    return make


@pytest.fixture
def tiny(make_zip: MakeZip) -> Path:
    return make_zip()


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """A safetensors file of two tensors; `seed` says what is in them."""
    import torch
    from safetensors.torch import save_file

    def make(seed: object = 0) -> Path:
        generator = torch.Generator().manual_seed(zlib.crc32(str(seed).encode()))
        path = tmp_path / f"{secrets.token_hex(4)}.safetensors"
        weights = {"0.weight": torch.randn(4, 3, generator=generator), "0.bias": torch.randn(4, generator=generator)}
        save_file(weights, path)
        return path

    return make
