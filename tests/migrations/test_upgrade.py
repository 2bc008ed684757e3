"""Upgrading: killed anywhere it goes on, one process at a time does it, and what is newer is refused untouched."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.errors import SchemaTooNew, StoreInUse
from mixpeek_dagster.migrations.lease import UpgradeLease
from mixpeek_dagster.migrations.plan import CURRENT, STEPS, load
from mixpeek_dagster.operations.diagnosis import Finding, diagnose
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import open_stores
from tests.migrations import homes
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
Unpacked = Callable[[], Settings]


class Upgrading:
    """A process that upgrades, and stops at each point until it is told to go on."""

    def __init__(self, settings: Settings, log: Path, *arguments: str) -> None:
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.migrations.upgrading", *arguments],
                cwd=ROOT,
                env={**os.environ, **homes.environment_of(settings)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self._log = log

    def point(self) -> str:
        """The next point that it reaches; empty if it has ended without an error."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            assert self._ended() == 0, self.said()
        return line

    def go_on(self) -> None:
        """Let it work up to its next point."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def finish(self) -> list[str]:
        """Let it work to its end; returns the points on the way."""
        points = []
        while point := self.point():
            points.append(point)
            self.go_on()
        return points

    def kill(self) -> None:
        """Kill it where it stands."""
        self._process.send_signal(signal.SIGKILL)
        assert self._ended() == -signal.SIGKILL

    def _ended(self) -> int:
        status = self._process.wait(60)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()
        return status

    def said(self) -> str:
        """What it has said to people."""
        return self._log.read_text("utf-8")


def kind(point: str) -> str:
    """A point without numbers and names, as every migration has only a few."""
    migration, _, what = point.partition(": ")
    return f"{migration}: {re.sub(r'[^ ]*[0-9/][^ ]*', '', what).strip()}"


def record_of(settings: Settings) -> dict[str, Any]:
    """What the installation says of itself; empty before it says anything."""
    with MongoClient[dict[str, Any]](settings.mongodb_url) as client:
        return client[settings.mongodb_database]["schema"].find_one({"_id": "installation"}) or {}


def version_of(settings: Settings) -> int:
    return int(record_of(settings)["version"])


@pytest.fixture(scope="module")
def plainly(unpacked: Unpacked) -> dict[str, Any]:
    """What a home holds that was upgraded without any incident."""
    settings = unpacked()
    with open_stores(settings):
        return homes.everything(settings)


def test_it_is_killed_at_every_point_and_ends_in_the_same_state(
    unpacked: Unpacked, plainly: dict[str, Any], tmp_path: Path
) -> None:
    settings, killed = unpacked(), set[str]()
    while True:
        process = Upgrading(settings, tmp_path / "log")
        while (point := process.point()) and kind(point) in killed:
            process.go_on()
        if not point:
            break
        killed.add(kind(point))
        process.kill()
    assert {point.partition(":")[0] for point in killed} == set(STEPS)
    assert len(killed) > 15
    assert version_of(settings) == CURRENT
    assert homes.everything(settings) == plainly


def test_it_is_killed_at_moments_that_it_does_not_choose(unpacked: Unpacked, tmp_path: Path) -> None:
    settings = unpacked()
    homes.multiply(settings, 15)
    before = homes.everything(settings)
    for points in (2, 3, 2, 3):
        process = Upgrading(settings, tmp_path / "log")
        for _ in range(points):
            assert process.point()
            process.go_on()
        # At work between two points, wherever that is.
        process.kill()
    assert version_of(settings) < CURRENT
    assert Upgrading(settings, tmp_path / "log", "free").finish() == []
    after = homes.everything(settings)
    assert after["payloads"] == {point: homes.upgraded_payload(old) for point, old in before["payloads"].items()}
    assert {key: [part["key"] for part in new["parts"]] for key, new in after["manifests"].items()} == {
        key: old["keys"] for key, old in before["manifests"].items()
    }
    for kind_of_record in ("buckets", "collections"):
        content = after["catalog"][kind_of_record]
        assert content.count(b"schema_version") == before["catalog"][kind_of_record].count(b"\x02_name\0")
        assert b"\x02_name\0" not in content


def test_of_two_processes_one_upgrades_and_the_other_waits(
    unpacked: Unpacked, plainly: dict[str, Any], tmp_path: Path
) -> None:
    settings = unpacked()
    first = Upgrading(settings, tmp_path / "first")
    assert first.point() == f"{STEPS[0]}: begins"
    second = Upgrading(settings, tmp_path / "second")
    wait_until(lambda: "waiting while process" in second.said())
    first.go_on()
    assert first.finish()[-1] == f"{STEPS[-1]}: version {CURRENT}"
    assert second.finish() == []
    assert homes.everything(settings) == plainly


def test_an_upgrade_that_is_under_way_is_seen_and_not_touched(unpacked: Unpacked, tmp_path: Path) -> None:
    settings = unpacked()
    assert finding(settings).detail == f"version 0 of {CURRENT}, to do: {', '.join(STEPS)}"
    assert "schema" not in homes.catalog_bytes(settings)
    process = Upgrading(settings, tmp_path / "log")
    assert process.point()
    process.kill()
    assert finding(settings).detail.endswith(f"it came to {STEPS[0]}: begins")
    assert version_of(settings) == 0


@pytest.fixture
def separate(embedded: EmbeddedStores, tmp_path: Path) -> Settings:
    """A catalog of the test's own in the shared stores."""
    return homes.settings_of(embedded, home=tmp_path / "home", mongodb_database=f"schema_{os.urandom(4).hex()}")


def finding(settings: Settings) -> Finding:
    """What `mixpeek doctor` finds of the stored data."""
    return next(found for found in diagnose(settings) if found.name == "stored data")


def test_a_new_installation_is_current_at_once(separate: Settings) -> None:
    assert finding(separate).detail == f"nothing yet; this code writes version {CURRENT}"
    with open_stores(separate):
        assert version_of(separate) == CURRENT
    assert finding(separate).detail == f"version {CURRENT}"


def test_an_installation_that_is_newer_is_refused_and_left_as_it_is(separate: Settings) -> None:
    with open_stores(separate) as stores:
        stores.catalog.ensure_namespace("default", "local")
    set_version(separate, CURRENT + 1)
    before = homes.catalog_bytes(separate)
    with pytest.raises(SchemaTooNew, match=f"version {CURRENT + 1}, and this code knows versions up to {CURRENT}"):
        open_stores(separate)
    assert finding(separate).state == "failed"
    assert homes.catalog_bytes(separate) == before


def test_a_record_that_is_newer_is_refused(separate: Settings) -> None:
    with open_stores(separate) as stores:
        namespace = stores.catalog.ensure_namespace("default", "local")
        with MongoClient[dict[str, Any]](separate.mongodb_url) as client:
            records = client[separate.mongodb_database]["namespaces"]
            records.update_one({"_id": namespace.namespace_id}, {"$set": {"schema_version": 99}})
        with pytest.raises(SchemaTooNew, match=f"namespace '{namespace.namespace_id}'"):
            stores.catalog.namespaces.get(namespace.namespace_id)


def test_a_process_that_was_silent_for_too_long_stops(separate: Settings) -> None:
    with MongoClient[dict[str, Any]](separate.mongodb_url, tz_aware=True) as client:
        database = client[separate.mongodb_database]
        slow, quick = (UpgradeLease(database, str(separate.mongodb_url)) for _ in range(2))
        assert slow.acquire() is None
        assert quick.acquire() is not None
        past = datetime.now(UTC) - timedelta(seconds=1)
        database["schema"].update_one({"_id": "lease"}, {"$set": {"until": past}})
        assert quick.acquire() is None
        with pytest.raises(StoreInUse, match="another process has taken it over"):
            slow.renew()
        quick.renew()


def test_a_start_that_has_nothing_to_do_imports_neither_qdrant_nor_migrations(separate: Settings) -> None:
    with open_stores(separate):
        code = (
            "import sys\n"
            "from mixpeek_dagster.settings import Settings\n"
            "from mixpeek_dagster.stores import open_stores\n"
            "with open_stores(Settings.load()): pass\n"
            "print([n for n in sys.modules if n.split('.')[0] == 'qdrant_client' or '.versions.' in n])\n"
        )
        variables = {**os.environ, **homes.environment_of(separate)}
        done = subprocess.run([sys.executable, "-c", code], env=variables, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_every_migration_says_what_it_changes_and_why_it_can_be_repeated() -> None:
    folder = ROOT / "mixpeek_dagster" / "migrations" / "versions"
    assert sorted(path.stem for path in folder.glob("v*.py")) == list(STEPS)
    assert [int(name[1:5]) for name in STEPS] == list(range(1, CURRENT + 1))
    for name in STEPS:
        assert "can be repeated" in str(load(name).__doc__)


def set_version(settings: Settings, version: int) -> None:
    with MongoClient[dict[str, Any]](settings.mongodb_url) as client:
        client[settings.mongodb_database]["schema"].update_one({"_id": "installation"}, {"$set": {"version": version}})
