"""What is stored does not change its shape unnoticed: a change needs a version, and a migration to it."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest

from mixpeek_dagster.catalog.arrivals import Listing
from mixpeek_dagster.catalog.records import Bucket
from tests.migrations import shapes
from tests.runs.conftest import World, make_settings, make_world, world

__all__ = ["make_settings", "make_world", "world"]


def test_records_have_the_shapes_that_were_written_down() -> None:
    shapes.check({f"record {name}": shape for name, shape in shapes.catalog_shapes().items()})


def test_payloads_and_kept_rows_have_the_shapes_that_were_written_down(world: World) -> None:
    batch, collection = world.ingest({"a.txt": "some text"}), world.collection(world.plugin())
    assert world.run(collection, batch).success
    (document,) = world.documents(collection)
    own_fields = {name: value for name, value in document.items() if name != "length"}
    name = f"_artifacts/{world.namespace.address}/notes/features/{batch.batch_id}/manifest.json"
    manifest = orjson.loads(world.stores.objects.get(name))
    shapes.check(
        {
            "payload": shapes.payload_shape(own_fields),
            "manifest": shapes.manifest_shape(manifest),
            "parquet": shapes.part_shape(),
        }
    )
    assert document["_internal"]["schema_version"] == shapes.written()["payload"]["version"]
    assert manifest["schema_version"] == shapes.written()["manifest"]["version"]


def test_records_without_a_class_have_the_shapes_that_were_written_down(world: World) -> None:
    batch, catalog = world.ingest({"a.txt": "some text"}), world.stores.catalog
    now = datetime.now(UTC)
    listing = Listing(bucket_id=batch.bucket_id, namespace_id=batch.namespace_id, started_at=now, updated_at=now)
    catalog.listings.note_page(listing, ["a.txt"])
    members, pages = catalog.objects._members, catalog.listings._pages
    member, page = members.find_one({"batch_id": batch.batch_id}), pages.find_one({"bucket_id": batch.bucket_id})
    assert member is not None
    shapes.check({"record member of a batch": shapes.member_shape(member)})
    shapes.check({"record page of a listing": shapes.page_shape(page)})
    assert (member["schema_version"], page["schema_version"]) == (1, 1)


def test_the_dagster_yaml_that_is_written_was_written_down() -> None:
    shapes.check({"dagster.yaml, whose present sha256 goes to migrations/dagster_yaml.py": shapes.dagster_yaml_shape()})


def test_a_field_more_without_a_version_more_is_noticed() -> None:
    class Changed(Bucket):
        colour: str = "red"

    known = shapes.written()["record Bucket"]
    changed = {"version": known["version"], "shape": {**known["shape"], "fields": Changed.model_json_schema()}}
    with pytest.raises(AssertionError, match=r"Raise the version, add a migration to mixpeek_dagster/migrations"):
        shapes.compare("record Bucket", changed, known)
    with pytest.raises(AssertionError, match="WRITE_SHAPES=1"):
        shapes.compare("record Bucket", {**changed, "version": known["version"] + 1}, known)


def test_words_about_a_field_are_no_part_of_its_shape() -> None:
    class Described(Bucket):
        """Where objects come from, said otherwise."""

    assert shapes._bare(Described.model_json_schema()) == shapes._bare(Bucket.model_json_schema())
