"""Files that are written whole or not at all, locks that the dead give back, logs."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from mixpeek_dagster.errors import StoreInUse
from mixpeek_dagster.processes.files import write_atomically
from mixpeek_dagster.processes.locks import claim, claimant, is_locked, try_lock, wait_lock
from mixpeek_dagster.processes.logs import last_lines, open_log
from mixpeek_dagster.processes.up_lock import UpLock, read_up
from tests.processes.conftest import HANG, python
from tests.waiting import wait_until

HOLDER = """
import sys
from pathlib import Path
from mixpeek_dagster.processes.locks import claim, try_lock
file = try_lock(Path(sys.argv[1]), shared=sys.argv[2] == "shared")
claim(file)
print("held", flush=True)
sys.stdin.read()
"""


def held_elsewhere(path: Path, how: str = "alone") -> subprocess.Popen[bytes]:
    holder = subprocess.Popen(python(HOLDER, path, how), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    return holder


def test_a_file_has_its_whole_content_its_mode_and_no_draft_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    (tmp_path / ".keys.json.new").write_text("left by a crash")
    for content in (b"first", b"second"):
        write_atomically(path, content, 0o600)
        assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_excludes_others_until_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert not is_locked(path)
    holder = held_elsewhere(path)
    assert try_lock(path) is None
    assert try_lock(path, shared=True) is None
    assert (is_locked(path), claimant(path)) == (True, holder.pid)
    assert wait_lock(path, time.monotonic() + 0.05) is None
    holder.kill()
    holder.communicate()
    wait_until(lambda: not is_locked(path))
    file = wait_lock(path, time.monotonic() + 30)
    assert file is not None
    claim(file)
    assert claimant(path) == os.getpid()
    file.close()


def test_a_shared_lock_lets_others_share_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    holder = held_elsewhere(path, "shared")
    shared = try_lock(path, shared=True)
    assert shared is not None
    shared.close()
    assert try_lock(path) is None
    assert not is_locked(path)
    holder.kill()
    holder.communicate()


def test_programs_that_the_holder_runs_do_not_hold_its_lock(tmp_path: Path) -> None:
    file = try_lock(tmp_path / "a.lock")
    assert file is not None
    heir = subprocess.Popen(python(HANG), stdout=subprocess.DEVNULL, close_fds=False)
    file.close()
    # The system closes what a program does not inherit a moment after it has started.
    wait_until(lambda: not is_locked(tmp_path / "a.lock"))
    assert heir.poll() is None
    heir.kill()
    heir.communicate()


@pytest.mark.parametrize("content", ["", "nobody", "12 34"])
def test_a_lock_file_that_names_nobody_has_no_claimant(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.lock"
    assert claimant(path) is None
    path.write_text(content)
    assert claimant(path) is None


def test_a_log_is_appended_to_in_a_folder_that_is_made(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "program.log"
    for line in (b"one\n", b"\n", b" two \n", b"three"):
        with open_log(log) as file:
            file.write(line)
    assert last_lines(log) == "one | two | three"
    assert last_lines(log, 1) == "three"
    assert last_lines(tmp_path / "absent.log") == ""


def test_a_large_log_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "store.log"
    for content in (b"old", b"x" * (11 * 2**20), b"small"):
        with open_log(log) as file:
            file.write(content)
    assert log.read_bytes() == b"small"
    assert (tmp_path / "store.log.1").stat().st_size == 3 + 11 * 2**20


def test_one_up_per_home_tells_the_others_where_it_is(tmp_path: Path) -> None:
    with UpLock(tmp_path) as lock:
        assert read_up(tmp_path) == {"pid": os.getpid()}
        lock.write_urls({"dagster": "http://127.0.0.1:1"})
        assert read_up(tmp_path)["dagster"] == "http://127.0.0.1:1"
        with pytest.raises(StoreInUse, match=rf"already runs on it \(pid {os.getpid()}, http://127.0.0.1:1\)"):
            UpLock(tmp_path).__enter__()
        assert read_up(tmp_path)["dagster"] == "http://127.0.0.1:1"
    assert read_up(tmp_path) == {}
    with UpLock(tmp_path):
        assert read_up(tmp_path) == {"pid": os.getpid()}
