"""Whether the owner of a lease is gone, as far as this machine can know."""

from __future__ import annotations

import socket
import subprocess
import sys

import psutil

from mixpeek_dagster.processes.identity import lease_owner, owner_is_gone


def test_this_process_is_not_gone_and_each_lease_has_an_owner_of_its_own() -> None:
    first, second = lease_owner(), lease_owner()
    assert first != second
    assert not owner_is_gone(first)


def test_owners_that_are_stored_are_understood() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(child.pid).create_time()
    here = f"{socket.gethostname()}:{child.pid}"
    stored, reused = f"{here}:{started:.2f}:0a1b2c3d", f"{here}:{started - 60:.2f}:0a1b2c3d"
    assert (owner_is_gone(stored), owner_is_gone(reused)) == (False, True)
    child.communicate(b"\n")
    assert owner_is_gone(stored)
    assert not owner_is_gone(f"elsewhere:{child.pid}:{started:.2f}:0a1b2c3d")
