"""Which process it is: also after its number was given to another one, and from texts that are stored."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from mixpeek_dagster.processes.identity import ProcessIdentity
from tests.waiting import wait_until


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_a_live_process_is_running(child: subprocess.Popen[bytes]) -> None:
    for identity in (ProcessIdentity.own(), ProcessIdentity.of(child.pid)):
        assert (identity.is_running, identity.is_gone, identity.has_successor) == (True, False, False)


def test_a_process_that_ended_is_gone_before_and_after_it_is_waited_for(child: subprocess.Popen[bytes]) -> None:
    identity = ProcessIdentity.of(child.pid)
    child.kill()
    wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert (identity.is_running, identity.is_gone) == (False, True)
    child.wait()
    assert (identity.is_running, identity.is_gone, identity.has_successor) == (False, True, False)


def test_a_process_with_the_number_of_an_earlier_one_is_not_that_one(child: subprocess.Popen[bytes]) -> None:
    earlier = replace(ProcessIdentity.of(child.pid), started=ProcessIdentity.of(child.pid).started - 0.01)
    assert (earlier.is_running, earlier.is_gone, earlier.has_successor) == (False, True, True)


def test_of_a_process_elsewhere_nothing_is_known() -> None:
    elsewhere = replace(ProcessIdentity.own(), host="elsewhere")
    assert (elsewhere.is_running, elsewhere.is_gone) == (False, False)


def test_text_tells_the_same_process() -> None:
    own = ProcessIdentity.own()
    assert ProcessIdentity.from_text(str(own)) == own
    assert ProcessIdentity.from_text(own.local_text) == own
    assert str(own) == f"{socket.gethostname()}:{own.local_text}"


def test_texts_that_are_stored_are_understood() -> None:
    own = psutil.Process()
    stored = f"{socket.gethostname()}:{own.pid}:{own.create_time():.2f}"
    assert ProcessIdentity.from_text(stored).is_running
    assert ProcessIdentity.from_text(f"{own.pid}:{own.create_time()}").is_running
    assert ProcessIdentity.from_text("fd00::1:7:1.50") == ProcessIdentity("fd00::1", 7, 1.5)


@pytest.mark.parametrize("text", ["", "host", "host:1", "host:x:1.0", "host:1:"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
        ProcessIdentity.from_text(text)


def test_there_is_no_identity_of_a_number_that_nobody_has(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    with pytest.raises(psutil.NoSuchProcess):
        ProcessIdentity.of(child.pid)
