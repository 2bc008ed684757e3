"""What a bucket's schema makes of objects: records, parts of keys, tags."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from mixpeek_dagster.catalog.bucket_schema import BucketSchema
from mixpeek_dagster.catalog.records import Collection
from mixpeek_dagster.operations.buckets import backfill, set_schema
from mixpeek_dagster.operations.reconcile import reconcile
from mixpeek_dagster.runs.blobs import read_blobs
from tests.arrivals.conftest import Shore

RECORD = {
    "properties": {
        "title": {"type": "text", "required": True},
        "note": {"type": "text"},
        "photo": {"type": "image"},
        "price": {"type": "number"},
        "year": {"type": "integer"},
        "genres": {"type": "array"},
    }
}


def wear(shore: Shore, **schema: Any) -> None:
    shore.bucket = set_schema(shore.world.stores.catalog, shore.bucket, BucketSchema.model_validate(schema))


def rows(shore: Shore) -> list[dict[str, Any]]:
    """The blobs of the newest batch."""
    batch = shore.world.stores.catalog.batches.newest(shore.bucket.bucket_id)
    assert batch is not None
    frames = read_blobs(shore.world.stores, shore.world.settings, batch_id=batch.batch_id)
    return [{str(name): cell for name, cell in row.items()} for frame in frames for row in frame.to_dict("records")]


def texts(shore: Shore, collection: Collection) -> list[str]:
    index, namespace = shore.world.stores.index, shore.world.namespace.namespace_id
    blobs = index.blobs_of(namespace, collection.collection_id)
    found = index.documents_of(namespace, collection.collection_id, sorted(blobs))
    return sorted(item["_internal"]["snippet"] for item in found)


def test_fields_of_a_record_are_blobs_and_properties(shore: Shore) -> None:
    wear(shore, **RECORD)
    record = {"title": "Tall tree", "photo": "photos/1.jpg", "price": 2.5, "genres": ["a", "b"], "more": 1}
    shore.put("1.json", json.dumps(record))
    shore.put("plain.txt", "as ever")
    shore.look()
    title, note, photo, plain = rows(shore)
    assert (title["data"], title["blob_property"], title["blob_type"]) == ("Tall tree", "title", "text")
    assert title["properties"] == {"price": 2.5, "genres": ["a", "b"]}
    assert pd.isna(note["data"])
    assert photo["data"] == f"{shore.bucket.location}photos/1.jpg"
    assert (photo["mime_type"], photo["blob_type"]) == ("image/jpeg", "image")
    assert (plain["data"], plain["blob_property"]) == ("as ever", "content")


def test_without_a_schema_json_is_a_text(shore: Shore) -> None:
    shore.put("1.json", '{"title": "a"}')
    shore.look()
    (row,) = rows(shore)
    assert (row["data"], row["blob_property"]) == ('{"title": "a"}', "content")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"title": "a",\n "price" 3}', "1.json: line 2 column 10: it is no JSON"),
        ("[1, 2]", "it holds a list"),
        ('{"title": "a", "price": "dear"}', "field 'price' is \"dear\", which is no number"),
        ('{"title": 7}', "field 'title' is 7, which is no text"),
        ('{"title": "a", "photo": "s3://elsewhere/secret.jpg"}', "which is not under s3://"),
        ('{"note": "b"}', "the required field 'title' is not there"),
        ('{"title": "\\ud800"}', "half a character"),
    ],
)
def test_a_record_that_is_wrong_is_a_row_that_says_where(shore: Shore, content: str, said: str) -> None:
    wear(shore, **RECORD)
    shore.put("1.json", content)
    shore.look()
    assert any(said in str(row["error"]) for row in rows(shore))


def test_documents_follow_the_record(shore: Shore, notes: Collection) -> None:
    wear(shore, **RECORD)
    shore.put("1.json", json.dumps({"title": "one", "note": "two", "price": 1}))
    shore.settle()
    assert texts(shore, notes) == ["one", "two"]
    shore.put("1.json", json.dumps({"title": "one", "price": 2}))
    shore.settle()
    assert texts(shore, notes) == ["one"]
    assert reconcile(shore.world.stores, shore.bucket).agrees
    shore.delete("1.json")
    shore.settle()
    assert texts(shore, notes) == []


def test_another_property_is_another_document(shore: Shore, notes: Collection) -> None:
    wear(shore, **RECORD)
    shore.put("1.json", json.dumps({"title": "one", "price": 1}))
    shore.settle()
    before = {row["content_hash"] for row in rows(shore)}
    shore.put("1.json", json.dumps({"title": "one", "price": 2}))
    shore.settle()
    assert before.isdisjoint(row["content_hash"] for row in rows(shore))


def test_parts_of_keys_and_tags_are_properties(shore: Shore) -> None:
    wear(shore, key_pattern="{customer}/{year}/**", tags=True, properties={"year": {"type": "integer"}})
    shore.put("acme ü/2024/deep/a.txt", "a", Tagging="kind=memo&colour=red", Metadata={"author": "Ada"})
    shore.put("other.txt", "b")
    shore.look()
    first, other = rows(shore)
    wanted = {"customer": "acme ü", "year": 2024, "kind": "memo", "colour": "red", "author": "Ada"}
    assert first["properties"] == wanted
    assert other["properties"] == {}


def test_a_part_of_a_key_that_does_not_fit_is_said(shore: Shore) -> None:
    wear(shore, key_pattern="{year}/*", properties={"year": {"type": "integer"}})
    shore.put("soon/a.txt", "a")
    shore.look()
    assert "year is 'soon', which is no integer" in rows(shore)[0]["error"]


@pytest.mark.parametrize("pattern", ["{}/*", "{a}/{a}", "{a b}/*"])
def test_a_pattern_that_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="key pattern"):
        BucketSchema(key_pattern=pattern)


def test_a_backfill_takes_what_was_there_through_a_new_collection(shore: Shore, notes: Collection) -> None:
    shore.put("a.txt", "a")
    shore.put("b.txt", "b")
    shore.settle()
    later = shore.world.collection(shore.world.plugin(name="second"), "later")
    shore.settle()
    assert shore.keys(later) == []
    assert backfill(shore.world.stores.catalog, shore.bucket) == 2
    shore.settle()
    assert shore.keys(later) == shore.keys(notes) == ["a.txt", "b.txt"]
