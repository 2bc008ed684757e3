"""The rate of a provider's API: counted by what was let through, over threads and processes of a machine."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mixpeek_dagster.settings import ProviderLimits, Settings
from mixpeek_dagster.steps.api_limits import CallStopped, ProviderGate, SharedPermits, gate_of

TAKER = """
import sys, threading, time
from pathlib import Path
from mixpeek_dagster.steps.api_limits import SharedPermits
from mixpeek_dagster.settings import ProviderLimits

permits = SharedPermits(ProviderLimits(per_second=int(sys.argv[2])), Path(sys.argv[1]))


def take(count):
    while count:
        seconds = permits.try_acquire()
        if seconds:
            time.sleep(seconds)
        else:
            # When it was asked for, by the clock that all processes share.
            sys.stdout.write(f"{time.time_ns()}\\n")
            count -= 1


threads = [threading.Thread(target=take, args=(6,)) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def taken(permits: SharedPermits, most: int) -> int:
    """How many permits there are now, up to a number; the file may be another's for a moment, so it asks thrice."""
    return next((count for count in range(most) if all(permits.try_acquire() for _ in range(3))), most)


def test_no_more_than_the_limit_is_given_in_a_minute(tmp_path: Path) -> None:
    assert taken(SharedPermits(ProviderLimits(per_minute=7), tmp_path / "api.sqlite"), 20) == 7


def test_those_who_share_a_file_share_the_rate(tmp_path: Path) -> None:
    first, second = (SharedPermits(ProviderLimits(per_minute=7), tmp_path / "api.sqlite") for _ in range(2))
    assert taken(first, 4) == 4
    assert taken(second, 20) == 3


def test_the_tighter_of_two_limits_holds(tmp_path: Path) -> None:
    assert taken(SharedPermits(ProviderLimits(per_second=50, per_minute=6), tmp_path / "a.sqlite"), 20) == 6
    assert taken(SharedPermits(ProviderLimits(per_second=3, per_minute=600), tmp_path / "b.sqlite"), 3) == 3


def test_processes_share_the_rate(tmp_path: Path) -> None:
    limit = 8
    command = [sys.executable, "-c", TAKER, str(tmp_path / "api.sqlite"), str(limit)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    moments = sorted(int(line) for run in runs for line in run.communicate(timeout=120)[0].split())
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(moments) == 3 * 2 * 6
    windows = [later - earlier for earlier, later in zip(moments, moments[limit:], strict=False)]
    # A permit is printed a moment after it was given, sooner or later; processes that do not share give thrice as many.
    assert min(windows) > 0.5e9


class _Dosed:
    """Permits that come one by one, when a test says so."""

    def __init__(self) -> None:
        self.left = 0

    def try_acquire(self) -> float:
        if self.left:
            self.left -= 1
            return 0.0
        return 0.001


def _passing(gate: ProviderGate, stopped: threading.Event, passed: Callable[[], None]) -> threading.Thread:
    def go() -> None:
        try:
            with gate.passage(stopped):
                passed()
        except CallStopped:
            pass

    thread = threading.Thread(target=go)
    thread.start()
    return thread


def test_a_call_takes_one_permit_and_waits_for_it() -> None:
    permits, passed, stopped = _Dosed(), threading.Semaphore(0), threading.Event()
    gate = ProviderGate(ProviderLimits(concurrency=4), permits)
    threads = [_passing(gate, stopped, passed.release) for _ in range(4)]
    for _ in range(3):
        permits.left = 1
        assert passed.acquire(timeout=20)
    assert not passed.acquire(blocking=False)
    stopped.set()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    assert not passed.acquire(blocking=False)


def test_a_pause_holds_back_calls_that_come_later_and_is_never_shortened() -> None:
    gate = ProviderGate(ProviderLimits(longest_wait=0.3), None)
    before = time.monotonic()
    gate.pause(3600)
    gate.pause(0)
    with gate.passage(threading.Event()) as waited:
        assert time.monotonic() - before >= 0.3
    assert waited >= 0.25


def test_calls_that_wait_for_others_end_when_the_step_is_given_up() -> None:
    gate, stopped, passed = ProviderGate(ProviderLimits(concurrency=1), None), threading.Event(), threading.Event()
    with gate.passage(stopped):
        waiting = _passing(gate, stopped, passed.set)
        stopped.set()
        waiting.join(timeout=20)
    assert not waiting.is_alive()
    assert not passed.is_set()


def test_a_turn_is_given_back_when_the_call_fails() -> None:
    gate = ProviderGate(ProviderLimits(concurrency=1), None)
    for _ in range(3):
        with pytest.raises(ValueError, match="odd"), gate.passage(threading.Event()):
            raise ValueError("odd")


def test_a_provider_has_one_gate_and_the_others_their_own(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path, "api_limits": {"google": {"concurrency": 2}}})
    gates = [gate_of(name, settings) for name in ("google", "google", "openai", "other")]
    assert gates[0] is gates[1]
    assert len({id(gate) for gate in gates}) == 3
    changed = Settings.model_validate({"home": tmp_path, "api_limits": {"google": {"concurrency": 3}}})
    assert gate_of("google", changed) is not gates[0]


def test_a_limited_provider_with_an_odd_name_has_a_file_in_the_home_folder(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": tmp_path, "api_limits": {"../a b": {"per_minute": 1}}})
    with gate_of("../a b", settings).passage(threading.Event()):
        files = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert "api-..%2Fa%20b.sqlite" in files
