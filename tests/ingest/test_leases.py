"""Whether the owner of a bucket's lease is dead, as far as this machine can know."""

from __future__ import annotations

import socket
import subprocess
import sys

import psutil

from mixpeek_dagster.ingest import tick


def test_the_process_that_looks_is_not_dead_and_each_look_is_an_owner_of_its_own() -> None:
    first, second = tick._owner(), tick._owner()
    assert first != second
    assert not tick._is_dead(first)


def test_owners_that_are_stored_are_understood() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(child.pid).create_time()
    here = f"{socket.gethostname()}:{child.pid}"
    stored, reused = f"{here}:{started:.2f}:0a1b2c3d", f"{here}:{started - 60:.2f}:0a1b2c3d"
    assert (tick._is_dead(stored), tick._is_dead(reused)) == (False, True)
    child.communicate(b"\n")
    assert tick._is_dead(stored)
    assert not tick._is_dead(f"elsewhere:{child.pid}:{started:.2f}:0a1b2c3d")
