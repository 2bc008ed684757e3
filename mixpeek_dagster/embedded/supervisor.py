"""The one process per home that owns the stores: `python -m mixpeek_dagster.embedded.supervisor HOME`."""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from mixpeek_dagster.embedded.keeper import Keeper
from mixpeek_dagster.embedded.layout import Layout
from mixpeek_dagster.embedded.records import OWNED, Credentials, StoresRecord, StoreState
from mixpeek_dagster.embedded.stores import STORES
from mixpeek_dagster.errors import MixpeekError, StoreInUse
from mixpeek_dagster.processes.files import write_atomically
from mixpeek_dagster.processes.locks import claim, claimant, wait_lock

LINGER_SECONDS = 10.0
_LEASE_SECONDS = 0.5
_TICK_SECONDS = 0.2
_STARTING_SECONDS = 0.02
_log = logging.getLogger("mixpeek.supervisor")


class StoreSupervisor:
    """Runs the stores of one home while some process holds a lease, and `linger` seconds longer."""

    def __init__(self, layout: Layout, linger: float) -> None:
        self._layout = layout
        self._linger = linger
        self._credentials = Credentials.of_home(layout.credentials)
        ports = _load_ports(layout.ports)
        self._keepers = [Keeper(kind(layout, self._credentials), ports.get(kind.name, {})) for kind in STORES]
        self._lease = layout.lease.open("a+")
        self._idle_since: float | None = None
        self._next_look = 0.0
        self._told_to_stop = False

    def run(self) -> None:
        """Start the stores, look after them, stop them."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._on_signal)
        try:
            for keeper in self._keepers:
                keeper.start()
            self._write_record()
            while not self._told_to_stop and not self._deserted():
                changed = [keeper.tick() for keeper in self._keepers]
                if any(changed):
                    self._write_record()
                starting = any(keeper.state is StoreState.STARTING for keeper in self._keepers)
                time.sleep(_STARTING_SECONDS if starting else _TICK_SECONDS)
        finally:
            self._stop()

    def _on_signal(self, *_: object) -> None:
        self._told_to_stop = True

    def _write_record(self) -> None:
        records = tuple(keeper.record for keeper in self._keepers)
        ports = {keeper.store.name: keeper.ports for keeper in self._keepers}
        write_atomically(self._layout.ports, json.dumps(ports).encode())
        StoresRecord(os.getpid(), records, self._credentials).save(self._layout.record)
        for record in records:
            if record.state is StoreState.FAILED or record.detail:
                _log.warning("%s is %s: %s", record.name, record.state, record.detail)

    def _deserted(self) -> bool:
        """Whether nobody held a lease for `linger` seconds; if so the lease stays ours, and new clients wait."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + _LEASE_SECONDS
        try:
            fcntl.flock(self._lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._idle_since = None
            return False
        self._idle_since = self._idle_since or now
        if now - self._idle_since >= self._linger:
            return True
        fcntl.flock(self._lease, fcntl.LOCK_UN)
        return False

    def _stop(self) -> None:
        # First of all the record: nobody may be sent to stores that are about to go.
        self._layout.record.unlink(missing_ok=True)
        for keeper in self._keepers:
            keeper.terminate()
        told = time.monotonic()
        for keeper in sorted(self._keepers, key=lambda keeper: keeper.store.stop_seconds):
            keeper.finish(told + keeper.store.stop_seconds)


def take_home(layout: Layout) -> IO[str]:
    """Become the one supervisor of a home.

    Raises:
        StoreInUse: there is one already.
    """
    layout.make()
    # Clients look at this lock for an instant, so one refusal does not mean that it is taken.
    lock = wait_lock(layout.supervisor_lock, time.monotonic() + 0.5)
    if lock is None:
        pid = claimant(layout.supervisor_lock) or "unknown"
        raise StoreInUse(f"home {layout.home}", why=f"its stores are run by another supervisor (pid {pid})")
    # What a killed supervisor left behind must not be taken for ours.
    claim(lock)
    layout.record.unlink(missing_ok=True)
    return lock


def main(arguments: list[str] | None = None) -> int:
    """Run a supervisor; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m mixpeek_dagster.embedded.supervisor")
    parser.add_argument("home", type=Path, help="folder of the stores")
    parser.add_argument("--linger", type=float, default=LINGER_SECONDS, help="seconds to go on without any client")
    parser.add_argument("--detach", action="store_true", help="go on in the background once the home is taken")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout = Layout(options.home.expanduser().absolute())
    try:
        lock = take_home(layout)
        if options.detach and os.fork():
            os._exit(0)
        claim(lock)
        os.chdir(layout.home)
        StoreSupervisor(layout, options.linger).run()
    except StoreInUse as error:
        print(error, file=sys.stderr)
        return OWNED
    except MixpeekError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _load_ports(path: Path) -> dict[str, dict[str, int]]:
    with suppress(FileNotFoundError, json.JSONDecodeError):
        ports: dict[str, dict[str, int]] = json.loads(path.read_bytes())
        return ports
    return {}


if __name__ == "__main__":
    sys.exit(main())
