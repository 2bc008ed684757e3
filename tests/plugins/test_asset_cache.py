"""Assets kept for a run: fetched once, ahead of the step, within a number of bytes."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.plugins.asset_cache import AssetCache
from mixpeek_dagster.runs.spools import sweep_spools


class Origin:
    """Gives ten bytes for each URL, and counts."""

    def __init__(self) -> None:
        self.fetched: Counter[str] = Counter()
        self.missing: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, url: str, path: Path) -> None:
        with self._lock:
            self.fetched[url] += 1
        if url in self.missing:
            raise NotFound(f"asset {url!r}")
        path.write_bytes(url.encode()[-10:].rjust(10))


@pytest.fixture
def origin() -> Origin:
    return Origin()


@pytest.fixture
def cache(tmp_path: Path, origin: Origin) -> Iterator[AssetCache]:
    made = AssetCache(tmp_path / "kept", 1000, origin)
    yield made
    made.close()


def test_a_file_is_fetched_once_and_each_link_is_its_own(cache: AssetCache, origin: Origin, tmp_path: Path) -> None:
    for name in ("a", "b"):
        cache.place("s3://b/one", tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"s3://b/one"
        (tmp_path / name).unlink()
    assert origin.fetched == {"s3://b/one": 1}


def test_those_that_follow_are_fetched_once_one_was_asked_for(
    cache: AssetCache, origin: Origin, tmp_path: Path
) -> None:
    urls = [f"s3://b/{number}" for number in range(30)]
    cache.expect([*urls, None, 3.5, "just text"])
    time.sleep(0.1)
    assert not origin.fetched
    cache.place(urls[0], tmp_path / "a")
    deadline = time.monotonic() + 10
    while len(origin.fetched) < 9 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(origin.fetched) == set(urls[:9])


def test_the_oldest_go_when_there_are_too_many_bytes(tmp_path: Path, origin: Origin) -> None:
    cache = AssetCache(tmp_path / "kept", 25, origin)
    for number in range(5):
        cache.place(f"s3://b/{number}", tmp_path / str(number))
    assert len(list((tmp_path / "kept").iterdir())) == 2
    cache.place("s3://b/0", tmp_path / "again")
    assert origin.fetched["s3://b/0"] == 2
    assert all((tmp_path / str(number)).read_bytes() for number in range(5))
    cache.close()
    assert not (tmp_path / "kept").exists()


def test_what_could_not_be_fetched_is_tried_again(cache: AssetCache, origin: Origin, tmp_path: Path) -> None:
    origin.missing.add("s3://b/late")
    with pytest.raises(NotFound, match="late"):
        cache.place("s3://b/late", tmp_path / "a")
    origin.missing.clear()
    cache.place("s3://b/late", tmp_path / "a")
    assert (tmp_path / "a").exists()


def test_many_at_once_within_few_bytes(tmp_path: Path, origin: Origin) -> None:
    cache = AssetCache(tmp_path / "kept", 30, origin)
    cache.expect([f"s3://b/{number % 20}" for number in range(400)])

    def one(number: int) -> bytes:
        cache.place(f"s3://b/{number % 20}", tmp_path / str(number))
        return (tmp_path / str(number)).read_bytes()

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(400))) == [f"s3://b/{n % 20}".encode().rjust(10) for n in range(400)]
    cache.close()


def test_spools_of_long_ago_are_swept(tmp_path: Path) -> None:
    for name in ("old", "new", "handles/old"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "rows").write_text("")
    for name in ("old", "handles/old"):
        for path in (tmp_path / name / "rows", tmp_path / name):
            os.utime(path, (1, 1))
    assert sweep_spools(tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["handles", "new"]
