"""Looks that run out of time, overlap, are killed or find no S3: what landed is still taken up once."""

from __future__ import annotations

import pytest

from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.records import Collection
from mixpeek_dagster.errors import StoreUnavailable
from mixpeek_dagster.ingest import batching, tick
from mixpeek_dagster.objects.listing import ListedPage
from mixpeek_dagster.objects.object_store import ObjectStore
from tests.arrivals.conftest import Shore


def test_a_listing_goes_on_where_its_time_ended(
    shore: Shore, notes: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        shore.put(f"{number}.txt")

    def two_at_a_time(store: ObjectStore, bucket: str, prefix: str, token: str | None) -> ListedPage:
        more = {"ContinuationToken": token} if token else {}
        reply = store._client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=2, **more)
        items = [(item["Key"], item["ETag"].strip('"'), item["Size"]) for item in reply.get("Contents", [])]
        return ListedPage(items, reply.get("NextContinuationToken"))

    ticks = iter(range(0, 10_000, 100))
    shore.clock = lambda: float(next(ticks))
    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "list_page", two_at_a_time)
        looks = [shore.look() for _ in range(4)]
    assert [look.listed.keys for look in looks] == [2, 2, 2, 1]


def test_what_lands_on_a_page_already_read_is_not_taken_for_removed(shore: Shore, notes: Collection) -> None:
    shore.put("b.txt")
    shore.settle()
    catalog = shore.world.stores.catalog
    listing = catalog.listings.find(shore.bucket.bucket_id)
    assert listing is not None
    shore.put("a.txt")
    shore.look()
    # A cycle that began before `a.txt` was known and whose pages do not hold it.
    catalog.listings.put(listing.model_copy(update={"cycle": 99, "checking": ""}))
    shore.settle()
    assert shore.keys(notes) == ["a.txt", "b.txt"]


WRITES = [
    (batching, "finish_draft"),
    (tick, "_finish_batches"),
    (Catalog, "objects.join_batch"),
    (Catalog, "batches.insert"),
    (Catalog, "listings.note_page"),
]


OTHER_WRITES = [
    (batching, "_ask"),
    (batching, "_retire_others"),
    (Catalog, "arrivals.claim"),
    (Catalog, "arrivals.report"),
    (Catalog, "objects.put_many"),
    (Catalog, "objects.forget"),
    (Catalog, "batches.record_status"),
    (Catalog, "listings.put"),
]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        *(pytest.param(*write, id=write[1]) for write in WRITES),
        *(pytest.param(*write, id=write[1], marks=pytest.mark.slow) for write in OTHER_WRITES),
    ],
)
def test_a_look_that_is_killed_after_any_write_loses_and_doubles_nothing(
    shore: Shore, notes: Collection, monkeypatch: pytest.MonkeyPatch, place: object, name: str
) -> None:
    for number in range(4):
        shore.put(f"{number}.txt", f"note {number}")
    shore.settle()
    shore.put("0.txt", "changed")
    shore.delete("1.txt")
    shore.put("4.txt", "new")

    class Killed(BaseException):
        """Nothing that the code catches, as a kill is."""

    owner: object = place
    if place is Catalog:
        part, _, name = name.partition(".")
        owner = getattr(shore.world.stores.catalog, part)
    real = getattr(owner, name)

    def die(*args: object, **options: object) -> object:
        real(*args, **options)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, die)
        for _ in range(3):
            try:
                shore.look()
            except Killed:
                break
    shore.settle()
    assert shore.keys(notes) == ["0.txt", "2.txt", "3.txt", "4.txt"]
    assert shore.texts(notes)["0.txt"] == "changed"


def test_two_sensors_on_one_bucket(shore: Shore, notes: Collection) -> None:
    shore.put("a.txt")
    other = Shore(shore.world, shore.bucket)
    with tick._leased(shore.world.stores.catalog, shore.bucket) as ours:
        assert ours
        assert other.look().busy
    other.settle()
    assert shore.keys(notes) == ["a.txt"]


def test_s3_that_is_down_is_said_and_caught_up_with(
    shore: Shore, notes: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    shore.put("a.txt")

    def down(*_: object) -> ListedPage:
        raise StoreUnavailable("S3", why="it does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "list_page", down)
        assert "it does not answer" in shore.look().summary()
    shore.settle()
    assert shore.keys(notes) == ["a.txt"]
