"""Arrivals found by listing: every final object once, none missed, none extra."""

from __future__ import annotations

from mixpeek_dagster.catalog.records import Collection, TaskStatus
from mixpeek_dagster.operations.batches import retry_batch
from tests.arrivals.conftest import Shore


def test_what_lands_is_found_once(shore: Shore, notes: Collection) -> None:
    for number in range(5):
        shore.put(f"{number}.txt", f"note {number}")
    shore.settle()
    assert shore.keys(notes) == [f"{number}.txt" for number in range(5)]
    assert shore.states() == {"done": 5}
    assert [batch.status for batch in shore.batches()] == [TaskStatus.COMPLETED]
    shore.settle()
    assert len(shore.batches()) == 1


def test_an_overwritten_object_replaces_its_document_and_a_deleted_one_goes(shore: Shore, notes: Collection) -> None:
    for number in range(4):
        shore.put(f"{number}.txt", f"note {number}")
    shore.settle()
    shore.put("0.txt", "another note")
    shore.delete("1.txt")
    shore.put("4.txt", "a new one")
    shore.settle()
    assert shore.keys(notes) == ["0.txt", "2.txt", "3.txt", "4.txt"]
    assert shore.texts(notes)["0.txt"] == "another note"


def test_what_comes_and_goes_and_comes_back(shore: Shore, notes: Collection) -> None:
    for content in ("a", "b", "a"):
        shore.put("x.txt", content)
        shore.settle()
        assert shore.texts(notes) == {"x.txt": content}
    shore.delete("x.txt")
    shore.settle()
    assert shore.keys(notes) == []
    shore.put("x.txt", "a")
    shore.settle()
    assert shore.texts(notes) == {"x.txt": "a"}


def test_what_is_put_and_deleted_between_two_looks_was_never_there(shore: Shore, notes: Collection) -> None:
    shore.put("x.txt")
    shore.sync(batch_seconds=3600)
    shore.look()
    shore.delete("x.txt")
    shore.sync(batch_seconds=0)
    shore.settle()
    assert shore.batches() == []
    assert shore.states() == {"gone": 1}
    assert shore.keys(notes) == []


def test_a_batch_that_holds_nothing_for_a_collection_is_no_failure(shore: Shore, notes: Collection) -> None:
    shore.put("picture.png", b"\x89PNG")
    (batch,) = shore.look().to_run
    assert shore.run(batch)
    shore.settle()
    (ended,) = shore.batches()
    assert ended.status is TaskStatus.COMPLETED_WITH_ERRORS
    assert "filtered out" in ended.tiers[notes.collection_id]["reasons"][0]


def test_a_batch_of_removals_alone_is_completed(shore: Shore, notes: Collection) -> None:
    shore.put("a.txt")
    shore.settle()
    shore.delete("a.txt")
    shore.settle()
    assert [batch.status for batch in shore.batches()] == [TaskStatus.COMPLETED, TaskStatus.COMPLETED]
    assert shore.keys(notes) == []


def test_a_removal_that_runs_late_leaves_what_has_come_back(shore: Shore, notes: Collection) -> None:
    shore.put("x.txt", "first")
    shore.settle()
    shore.delete("x.txt")
    (late,) = shore.look().to_run
    shore.put("x.txt", "back")
    (newer,) = [batch for batch in shore.look().to_run if batch.batch_id != late.batch_id]
    assert shore.run(newer)
    assert shore.run(late)
    assert shore.texts(notes) == {"x.txt": "back"}


def test_a_put_that_runs_late_brings_the_newest_content(shore: Shore, notes: Collection) -> None:
    shore.put("x.txt", "first")
    (late,) = shore.look().to_run
    shore.put("x.txt", "second")
    (newer,) = [batch for batch in shore.look().to_run if batch.batch_id != late.batch_id]
    assert shore.run(newer)
    assert shore.run(late)
    assert shore.texts(notes) == {"x.txt": "second"}
    shore.settle()
    assert shore.texts(notes) == {"x.txt": "second"}


def test_an_object_that_goes_between_batch_and_run_makes_no_failure(shore: Shore, notes: Collection) -> None:
    shore.put("stays.txt")
    shore.put("goes.txt")
    (batch,) = shore.look().to_run
    shore.delete("goes.txt")
    assert shore.run(batch)
    assert shore.keys(notes) == ["stays.txt"]
    shore.settle()
    assert shore.keys(notes) == ["stays.txt"]
    assert shore.batches(TaskStatus.FAILED) == []


ODD_KEYS = [
    "a b.txt",
    "a+b.txt",
    "a%20b.txt",
    "über/straße.txt",
    "日本語.txt",
    "a#b?c&d=e.txt",
    "a'b\"c.txt",
    "new\nline.txt",
    "deep/er/and/deep/er.txt",
    "/".join(["x" * 240] * 3) + "/" + "y" * 200 + ".txt",
    "~tilde.txt",
    "(bracket)[square]{curly}.txt",
]


def test_odd_keys(shore: Shore, notes: Collection) -> None:
    for key in ODD_KEYS:
        shore.put(key, f"odd {ODD_KEYS.index(key)}")
    shore.settle()
    assert shore.keys(notes) == sorted(ODD_KEYS)
    assert shore.texts(notes) == {key: f"odd {number}" for number, key in enumerate(ODD_KEYS)}
    for key in ODD_KEYS:
        shore.delete(key)
    shore.settle()
    assert shore.keys(notes) == []


def test_filters_by_key_size_and_type(shore: Shore, notes: Collection) -> None:
    shore.sync(include=("in/*",), exclude=("*.tmp",), max_object_bytes=10, mime_types=("text/*",))
    for key, content in {
        "in/a.txt": "ok",
        "in/b.tmp": "no",
        "out/c.txt": "no",
        "in/d.txt": "much too long",
        "in/e.png": "no",
    }.items():
        shore.put(key, content)
    shore.put("in/", "")
    shore.settle()
    assert shore.keys(notes) == ["in/a.txt"]


def test_user_metadata_and_content_type_reach_the_row(shore: Shore, notes: Collection) -> None:
    shore.put("data", "text", ContentType="text/plain; charset=utf-8", Metadata={"Team": "blue"})
    shore.settle()
    (item,) = shore.world.stores.catalog.objects.of_bucket(shore.bucket.bucket_id)
    assert item.blobs[0].mime_type == "text/plain"
    assert item.properties == {"team": "blue"}
    assert shore.keys(notes) == ["data"]


def test_batches_are_made_by_count_bytes_and_age(shore: Shore, notes: Collection) -> None:
    shore.sync(batch_objects=3, batch_seconds=3600)
    for number in range(7):
        shore.put(f"{number}.txt", "12345")
    assert [batch.object_count for batch in shore.look().formed] == [3, 3]
    shore.sync(batch_bytes=5)
    assert [batch.object_count for batch in shore.look().formed] == [1]
    shore.put("old.txt", "1")
    assert shore.look().formed == []
    shore.sync(batch_seconds=0)
    assert [batch.object_count for batch in shore.look().formed] == [1]


def test_a_chain_runs_in_order_on_what_the_batch_touched(shore: Shore, notes: Collection, chained: Collection) -> None:
    for number in range(3):
        shore.put(f"{number}.txt", f"note {number}")
    shore.settle()
    assert shore.keys(chained) == ["0.txt", "1.txt", "2.txt"]
    shore.put("0.txt", "changed")
    shore.delete("1.txt")
    shore.settle()
    assert shore.keys(chained) == ["0.txt", "2.txt"]
    newest = shore.batches()[0]
    assert newest.tiers[chained.collection_id]["counters"]["documents_written"] == 1


def test_unchanged_objects_are_not_computed_again(shore: Shore, notes: Collection) -> None:
    shore.put("a.txt", "same")
    shore.settle()
    shore.put("a.txt", "same")
    shore.settle()
    assert len(shore.batches()) == 1
    retry_batch(shore.world.stores.catalog, shore.batches()[0])
    shore.settle()
    counters = shore.batches()[0].tiers[notes.collection_id]["counters"]
    assert (counters["documents_reused"], counters["documents_written"]) == (1, 0)
