"""From a zip to a registered plugin over real HTTP and a real S3 server."""

from __future__ import annotations

import os
import secrets
import signal
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores
from tests.api.conftest import Client, MakeClient, MakeZip
from tests.runs.conftest import EMBED

HOSTILE = EMBED.replace("class Embed", "import subprocess\n\n\nclass Embed")


def test_a_confirmed_upload_is_a_plugin(client: Client, tiny: Path) -> None:
    reply = client.push(tiny, "tiny")
    body = reply.json()
    assert reply.status_code == 200, reply.text
    assert body["plugin_id"] == "tiny_1_0_0"
    assert body["validation_status"] == "passed"
    assert body["deployment_status"] == "not_deployed"
    assert body["feature_uri"] == "mixpeek://tiny@1.0.0/vector"
    plugin = client.plugins("GET", "/tiny_1_0_0").json()["plugin"]
    assert plugin["manifest"]["steps"] == ["Embed"]
    assert plugin["code_hash"] == body["code_hash"]
    assert [p["plugin_id"] for p in client.plugins("GET").json()["plugins"]] == ["tiny_1_0_0"]


def test_nothing_is_there_before_the_confirmation(client: Client, tiny: Path) -> None:
    upload = client.put(tiny, "tiny")
    assert client.plugins("GET").json()["plugins"] == []
    (waiting,) = client.plugins("GET", "/uploads").json()["results"]
    assert (waiting["upload_id"], waiting["status"]) == (upload, "PENDING")


def test_a_second_confirmation_says_the_same(client: Client, tiny: Path) -> None:
    upload = client.put(tiny, "tiny")
    assert client.confirm(upload).json() == client.confirm(upload).json()


def test_confirming_before_the_put_says_so(client: Client) -> None:
    reply = client.confirm(client.begin("tiny")["upload_id"])
    assert reply.status_code == 404
    assert "PUT the zip" in reply.json()["error"]["details"]["fix"]


def test_the_same_content_again_is_the_same_plugin(client: Client, tiny: Path) -> None:
    first = client.push(tiny, "tiny").json()
    assert client.push(tiny, "tiny").json() == first | {"upload_id": client_upload(client)}


def client_upload(client: Client) -> str:
    return str(client.plugins("GET", "/uploads").json()["results"][0]["upload_id"])


def test_other_content_under_the_same_version_is_a_conflict(client: Client, make_zip: MakeZip) -> None:
    client.push(make_zip(), "tiny")
    reply = client.push(make_zip(core=EMBED + "\n# changed\n"), "tiny")
    assert reply.status_code == 409
    assert reply.json()["error"]["type"] == "AlreadyExistsError"
    assert "version" in reply.json()["error"]["details"]["fix"]


def test_two_versions_stand_side_by_side(client: Client, make_zip: MakeZip) -> None:
    for version in ("1.0.0", "1.1.0"):
        assert client.push(make_zip(version=version), "tiny", version).status_code == 200
    assert [p["version"] for p in client.plugins("GET").json()["plugins"]] == ["1.0.0", "1.1.0"]


def test_hostile_code_is_refused_and_every_finding_kept(client: Client, make_zip: MakeZip) -> None:
    upload = client.put(make_zip(core=HOSTILE), "tiny")
    for _ in range(2):
        reply = client.confirm(upload)
        error = reply.json()["error"]
        assert reply.status_code == 400
        (finding,) = [p for p in error["details"]["validation_errors"] if p["severity"] == "error"]
        assert finding["file"] == "processors/core.py"
        assert finding["line"] == 5
        assert "subprocess" in finding["message"]
    plugin = client.plugins("GET", "/tiny_1_0_0").json()["plugin"]
    assert plugin["validation_status"] == "failed"
    assert plugin["security_scan_passed"] is False


def test_warnings_are_kept_and_refuse_nothing(client: Client, make_zip: MakeZip) -> None:
    slow = EMBED.replace(
        '        batch["length"]', '        [self._model.encode(t) for t in batch["data"]]\n        batch["length"]'
    )
    reply = client.push(make_zip(core=slow), "tiny")
    (warning,) = reply.json()["validation_errors"]
    assert reply.status_code == 200
    assert (warning["severity"], warning["code"], warning["file"]) == ("warning", "SEQ001", "processors/core.py")
    assert client.plugins("GET", "/tiny_1_0_0").json()["plugin"]["validation_errors"] == [warning]


def test_a_rejected_version_may_be_pushed_again_mended(client: Client, make_zip: MakeZip) -> None:
    assert client.push(make_zip(core=HOSTILE), "tiny").status_code == 400
    assert client.push(make_zip(), "tiny").status_code == 200
    assert client.plugins("GET", "/tiny_1_0_0").json()["plugin"]["validation_errors"] == []


def test_a_rejected_plugin_cannot_be_used(client: Client, make_zip: MakeZip) -> None:
    client.push(make_zip(core=HOSTILE), "tiny")
    client.call("POST", "/buckets", json={"bucket_name": "docs"})
    reply = _collection(client)
    assert reply.status_code == 400
    assert "validation failed" in reply.json()["error"]["message"]


def test_the_manifest_must_be_of_the_uploads_name_and_version(client: Client, make_zip: MakeZip) -> None:
    reply = client.push(make_zip("other", version="2.0.0"), "tiny")
    codes = {p["code"] for p in reply.json()["error"]["details"]["validation_errors"]}
    assert codes == {"name_mismatch", "version_mismatch"}


def test_what_is_no_zip_is_one_clear_error(client: Client, tmp_path: Path) -> None:
    archive = tmp_path / "tiny.zip"
    archive.write_bytes(b"not a zip")
    reply = client.push(archive, "tiny")
    (problem,) = reply.json()["error"]["details"]["validation_errors"]
    assert reply.status_code == 400
    assert problem["code"] == "archive_invalid"


def test_a_zip_that_leaves_its_folder_is_refused(client: Client, tiny: Path) -> None:
    with zipfile.ZipFile(tiny, "a") as archive:
        archive.writestr("tiny/../../../escape.py", "x = 1")
    reply = client.push(tiny, "tiny")
    assert reply.status_code == 400
    assert ".." in reply.json()["error"]["message"]


def test_an_expired_upload_says_so(client: Client, stores: Stores) -> None:
    upload = client.begin("tiny")["upload_id"]
    record = stores.catalog.plugin_uploads.get(upload)
    stores.catalog.plugin_uploads.put(record.model_copy(update={"expires_at": record.created_at}))
    reply = client.confirm(upload)
    assert reply.status_code == 400
    assert "expired" in reply.json()["error"]["message"]


def test_a_wrong_size_or_etag_is_refused(client: Client, tiny: Path) -> None:
    upload = client.put(tiny, "tiny")
    assert "bytes were announced" in client.confirm(upload, file_size_bytes=1).json()["error"]["message"]
    assert "etag" in client.confirm(upload, etag="0").json()["error"]["message"]
    assert client.confirm(upload, file_size_bytes=tiny.stat().st_size).status_code == 200


def test_one_request_does_it_all(client: Client, tiny: Path) -> None:
    reply = client.plugins("POST", files={"file": tiny.read_bytes()}, data={"name": "tiny", "version": "1.0.0"})
    assert reply.status_code == 201, reply.text
    assert reply.json()["plugin_id"] == "tiny_1_0_0"


def test_the_registered_zip_can_be_had_back(client: Client, tiny: Path) -> None:
    client.push(tiny, "tiny")
    reply = client.plugins("GET", "/tiny_1_0_0", params={"return_presigned_urls": True})
    assert httpx.get(reply.json()["presigned_download_url"]).content == tiny.read_bytes()


def test_a_clashing_vector_is_refused_before_anything_is_stored(client: Client, make_zip: MakeZip) -> None:
    client.push(make_zip(), "tiny")
    client.call("POST", "/buckets", json={"bucket_name": "docs"})
    assert _collection(client).status_code == 201
    clash = make_zip("wide", extra='\nfeatures[0]["embedding_dim"] = 8\n')
    reply = client.push(clash, "wide")
    assert reply.status_code == 409
    assert "vector 'vector' of 8 numbers" in reply.json()["error"]["message"]
    assert client.plugins("GET", "/wide_1_0_0").status_code == 404


def test_of_concurrent_uploads_of_one_version_one_wins(make_client: MakeClient, make_zip: MakeZip) -> None:
    client = make_client()
    archives = [make_zip(core=f"{EMBED}\n# {number}\n") for number in range(4)]
    uploads = [client.put(archive, "tiny") for archive in archives]
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(client.confirm, uploads))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]
    (winner,) = [reply.json() for reply in replies if reply.status_code == 200]
    assert client.plugins("GET", "/tiny_1_0_0").json()["plugin"]["code_hash"] == winner["code_hash"]


@pytest.mark.parametrize("delay", [0.4, *(pytest.param(late, marks=pytest.mark.slow) for late in (0.05, 1.0, 2.0))])
def test_a_killed_confirmation_leaves_nothing_half_made(
    delay: float, api_settings: Settings, stores: Stores, make_client: MakeClient, tiny: Path
) -> None:
    client = make_client()
    upload = client.put(tiny, "tiny")
    with ApiServer(api_settings, stores.environment()) as server, ThreadPoolExecutor(1) as pool:
        headers = dict(client.http.headers)
        url = f"{server.url}/v1/namespaces/{client.namespace}/plugins/uploads/{upload}/confirm"
        pool.submit(httpx.post, url, headers=headers, json={}, timeout=60)
        time.sleep(delay)
        os.killpg(server.pid, signal.SIGKILL)
    for plugin in client.plugins("GET").json()["plugins"]:
        assert plugin["validation_status"] == "passed"
    assert client.confirm(upload).status_code == 200
    (plugin,) = client.plugins("GET").json()["plugins"]
    assert plugin["plugin_id"] == "tiny_1_0_0"


def _collection(client: Client, name: str = "notes", **extractor: object) -> httpx.Response:
    wanted = {
        "collection_name": name,
        "source": {"type": "bucket", "bucket_ids": ["docs"]},
        "feature_extractor": {"feature_extractor_name": "tiny", "version": "1.0.0", **extractor},
    }
    return client.call("POST", "/collections", json=wanted)


def test_large_bodies_are_refused_while_they_arrive(client: Client) -> None:
    def endless() -> object:
        for _ in range(200):
            yield secrets.token_bytes(1 << 16)

    reply = client.plugins("POST", "/uploads", content=endless())
    assert reply.status_code == 413
    assert reply.json()["error"]["type"] == "BadRequestError"
