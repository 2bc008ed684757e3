"""Files become objects, blobs and batches; batches become rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixpeek_dagster.catalog.buckets import ensure_bucket
from mixpeek_dagster.errors import InvalidRequest, NotFound
from mixpeek_dagster.ingest.blobs import blob_frames
from mixpeek_dagster.ingest.upload import ingest_paths
from tests.runs.conftest import World

ODD = {
    "plain.txt": "plain",
    "with space.txt": "space",
    "plus+and&.txt": "plus",
    "hundred%.txt": "percent",
    "hash#and?.txt": "hash",
    "ümläut-日本.txt": "unicode",
    "quote'\".txt": "quote",
    "no_ending": "text without an ending",
    "empty.txt": "",
}


def rows(world: World, batch_id: str, *, chunk_rows: int = 4, limit: int = 1000) -> list[dict[str, object]]:
    batch = world.stores.catalog.batches.get(batch_id)
    frames = list(blob_frames(world.stores.catalog, world.stores.objects, batch, chunk_rows, limit))
    assert all(len(frame) <= chunk_rows for frame in frames)
    return [{str(name): value for name, value in row.items()} for f in frames for row in f.to_dict("records")]


def test_files_with_odd_names_come_back_as_they_were(world: World) -> None:
    batch = world.ingest(dict(ODD))
    found = {str(row["object_key"]).removeprefix("files/"): row["data"] for row in rows(world, batch.batch_id)}
    assert found == ODD


def test_a_row_has_the_ten_columns_filled(world: World) -> None:
    (row,) = rows(world, world.ingest({"a.txt": "hello"}).batch_id)
    assert row["mime_type"] == "text/plain"
    assert row["blob_type"] == "text"
    assert row["blob_property"] == "content"
    assert row["size_bytes"] == 5
    assert str(row["object_id"]).startswith("obj_")
    assert str(row["blob_id"]).startswith("blob_")


def test_a_file_that_is_no_text_is_its_url(world: World) -> None:
    (row,) = rows(world, world.ingest({"a.png": b"\x89PNG\r\n\x1a\n"}).batch_id)
    assert str(row["data"]).startswith("s3://")
    assert row["blob_type"] == "image"


def test_latin_text_and_byte_order_marks_are_read(world: World) -> None:
    batch = world.ingest({"bom.txt": "\ufeffbom".encode(), "latin.txt": "größe".encode("latin-1")})
    assert sorted(str(row["data"]) for row in rows(world, batch.batch_id)) == ["bom", "größe"]


def test_a_text_that_is_too_large_says_so(world: World) -> None:
    (row,) = rows(world, world.ingest({"big.txt": "x" * 2000}).batch_id)
    assert row["data"] == ""
    assert "MIXPEEK_MAX_TEXT_BYTES" in str(row["error"])


def test_an_object_that_vanished_is_a_row_with_its_reason(world: World) -> None:
    batch = world.ingest({"a.txt": "one", "b.txt": "two"})
    (item, *_) = world.stores.catalog.objects.of_batch(batch.batch_id)
    world.stores.objects.delete([item.blobs[0].url.removeprefix(f"s3://{world.stores.objects.bucket}/")])
    first, second = rows(world, batch.batch_id)
    assert "object" in str(first["error"])
    assert second["data"] == "two"


def test_the_same_files_are_the_same_batch_and_others_are_another(world: World) -> None:
    first = world.ingest({"a.txt": "one"})
    assert world.ingest({"a.txt": "one"}).batch_id == first.batch_id
    assert world.ingest({"a.txt": "two"}).batch_id != first.batch_id


def test_a_batch_remembers_its_objects_as_they_were(world: World) -> None:
    first = world.ingest({"a.txt": "one"})
    second = world.ingest({"a.txt": "other"})
    hashes = [next(world.stores.catalog.objects.of_batch(b.batch_id)).blobs[0].content_hash for b in (first, second)]
    assert hashes[0] != hashes[1]


def test_hidden_files_are_left_out(world: World) -> None:
    assert world.ingest({"a.txt": "one", ".hidden": "two"}).object_count == 1


@pytest.mark.parametrize("case", ["missing", "empty", "twice"])
def test_paths_that_make_no_sense_are_refused(world: World, tmp_path: Path, case: str) -> None:
    bucket = ensure_bucket(world.stores.catalog, world.namespace, "docs", world.settings.s3_bucket)
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "same.txt").write_text("1")
    (tmp_path / "same.txt").write_text("2")
    paths = {
        "missing": [tmp_path / "nowhere"],
        "empty": [tmp_path / "empty"],
        "twice": [tmp_path / "same.txt", tmp_path / "one" / "same.txt"],
    }[case]
    with pytest.raises((NotFound, InvalidRequest)) as error:
        ingest_paths(world.stores.catalog, world.stores.objects, bucket, paths)
    assert "paths" in str(error.value) or "path" in str(error.value)
