"""Files into a bucket and documents out of it over HTTP: what is entered is what S3 holds, and nothing else."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
import pytest

from mixpeek_dagster.stores import Stores
from tests.api.conftest import Client, MakeZip
from tests.runs.conftest import EMBED

CRASH = """
        sys.setrecursionlimit(10**8)
        deep = []
        for _ in range(10**6):
            deep = [deep]
        return repr(deep)
"""
"""Overflows the stack of the interpreter itself."""


def described(key: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"key": key, "size_bytes": len(content), "content_hash": digest, "mime_type": "text/plain"}


def plan(client: Client, *files: dict[str, Any], bucket: str = "notes") -> httpx.Response:
    return client.call("POST", "/ingest/uploads", json={"bucket": bucket, "files": list(files)})


def finish(client: Client, *files: dict[str, Any], bucket: str = "notes") -> httpx.Response:
    return client.call("POST", "/ingest", json={"bucket": bucket, "files": list(files)})


def test_files_that_were_put_are_a_batch_and_the_same_again_is_the_same(client: Client, stores: Stores) -> None:
    contents = {"a.txt": b"one", "folder/odd ü#%?.txt": b"two"}
    files = [described(key, content) for key, content in contents.items()]
    planned = plan(client, *files).json()
    assert [upload["key"] for upload in planned["uploads"]] == list(contents)
    for upload in planned["uploads"]:
        assert httpx.put(upload["presigned_url"], content=contents[upload["key"]]).is_success
    made = finish(client, *files)
    assert made.status_code == 201, made.text
    assert made.json()["objects"] == 2
    held = {item.key: item.blobs[0] for item in stores.catalog.objects.of_batch(made.json()["batch_id"])}
    place = f"s3://{stores.objects.bucket}/"
    assert {key: stores.objects.get(blob.url.removeprefix(place)) for key, blob in held.items()} == contents
    assert all(blob.etag for blob in held.values())

    again = plan(client, *files).json()
    assert (again["uploads"], again["unchanged"]) == ([], 2)
    assert finish(client, *files).json()["batch_id"] == made.json()["batch_id"]


def test_what_was_not_put_is_entered_by_nobodys_word(client: Client, stores: Stores) -> None:
    file = described("a.txt", b"one")
    (upload,) = plan(client, file).json()["uploads"]
    missing = finish(client, file)
    assert missing.status_code == 404
    assert "a.txt" in missing.json()["error"]["message"]
    httpx.put(upload["presigned_url"], content=b"something longer")
    other = finish(client, file)
    assert other.status_code == 400
    assert "16 are there" in other.json()["error"]["message"]
    bucket = client.call("GET", "/buckets/notes").json()
    assert bucket["object_count"] == 0
    assert stores.catalog.batches.of_bucket(bucket["bucket_id"]) == []


@pytest.mark.parametrize("key", ["../a.txt", "a/../../b.txt", "/a.txt", "a//b.txt", "./a.txt", "x" * 1020])
def test_keys_that_lead_elsewhere_are_refused(client: Client, key: str) -> None:
    for ask in (plan, finish):
        reply = ask(client, described(key, b"one"))
        assert reply.status_code == 400, reply.text
        assert "key" in reply.json()["error"]["message"]


def test_two_files_of_one_key_are_refused(client: Client) -> None:
    reply = finish(client, described("a.txt", b"one"), described("a.txt", b"two"))
    assert reply.status_code == 400
    assert "one key" in reply.json()["error"]["message"]


@pytest.mark.slow
def test_a_search_that_kills_its_process_leaves_the_api(client: Client, make_zip: MakeZip) -> None:
    core = f"import sys\n{EMBED.replace('        return batch', CRASH)}"
    client.push(make_zip(core=core), "tiny")
    wanted = {
        "collection_name": "notes",
        "source": {"type": "bucket", "bucket_ids": ["notes"], "make_bucket": True},
        "feature_extractor": {"feature_extractor_id": "tiny_1_0_0"},
    }
    assert client.call("POST", "/collections", json=wanted).status_code == 201
    reply = client.call("POST", "/collections/notes/search", json={"query": "hello"})
    assert reply.status_code == 503
    assert "status -11" in reply.json()["error"]["message"]
    assert client.call("GET", "/collections/notes").status_code == 200
