"""Finding, starting, looking at and stopping the stores of a home."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from pydantic import SecretStr

from mixpeek_dagster import version
from mixpeek_dagster.embedded import leases
from mixpeek_dagster.embedded.layout import Layout
from mixpeek_dagster.embedded.programs import check_installed
from mixpeek_dagster.embedded.records import OWNED, StoresRecord, StoreState
from mixpeek_dagster.errors import StoreUnavailable
from mixpeek_dagster.processes.child import ChildProcess
from mixpeek_dagster.processes.locks import claimant, is_locked, wait_lock
from mixpeek_dagster.processes.logs import last_lines
from mixpeek_dagster.processes.ports import answers

_POLL_SECONDS = 0.05
_LAUNCHES = 3
STORE_NAMES = ("mongodb", "qdrant", "s3")


@dataclass(frozen=True)
class StoreStatus:
    """One embedded store as seen from outside."""

    name: str
    state: Literal["running", "stopped", "failed"]
    url: str | None = None
    pid: int | None = None
    detail: str = ""


@dataclass
class EmbeddedStores:
    """The stores of a home, and this process's share in keeping them alive. A context manager."""

    home: Path
    mongodb_url: str
    qdrant_url: str
    s3_url: str
    s3_access_key_id: SecretStr
    s3_secret_access_key: SecretStr
    _open: bool = field(default=True, init=False, repr=False)

    def close(self) -> None:
        """Give the lease back; doing so twice is no error."""
        if self._open:
            self._open = False
            leases.release(Layout(self.home))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_embedded(home: Path, *, linger: float = 10.0, timeout: float = 60.0) -> EmbeddedStores:
    """Find the stores of a home, or start them.

    Args:
        linger: seconds that stores which this call starts go on after their last client.
        timeout: seconds to wait for all stores to answer.

    Raises:
        StoreNotInstalled: a program behind a store is missing.
        StoreUnavailable: a store does not come up, or was given up; names its log.
    """
    layout = Layout(home.expanduser().absolute())
    layout.make()
    deadline = time.monotonic() + timeout
    leases.acquire(layout, deadline)
    try:
        record = _running(layout, linger, deadline)
    except BaseException:
        leases.release(layout)
        raise
    urls = {store.name: store.url for store in record.stores}
    return EmbeddedStores(
        layout.home,
        mongodb_url=urls["mongodb"],
        qdrant_url=urls["qdrant"],
        s3_url=urls["s3"],
        s3_access_key_id=SecretStr(record.s3.access_key_id),
        s3_secret_access_key=SecretStr(record.s3.secret_access_key),
    )


def stores_status(home: Path) -> list[StoreStatus]:
    """How the stores of a home are, without starting anything."""
    layout = Layout(home.expanduser().absolute())
    record = _current_record(layout) if is_locked(layout.supervisor_lock) else None
    if record is None:
        return [StoreStatus(name, "stopped") for name in STORE_NAMES]
    found = []
    for store in record.stores:
        if store.state is StoreState.STARTING:
            found.append(StoreStatus(store.name, "stopped", store.url, store.pid, store.detail or "starting"))
        elif store.state is StoreState.FAILED:
            found.append(StoreStatus(store.name, "failed", store.url, None, f"{store.detail} (log: {store.log})"))
        elif answers(store.port):
            found.append(StoreStatus(store.name, "running", store.url, store.pid))
        else:
            found.append(StoreStatus(store.name, "failed", store.url, store.pid, f"does not answer (log: {store.log})"))
    return found


def stop_embedded(home: Path, timeout: float = 20.0) -> bool:
    """Stop the stores of a home now, unless some process holds a lease.

    Returns:
        Whether no store runs any more.
    """
    layout = Layout(home.expanduser().absolute())
    if not is_locked(layout.supervisor_lock):
        return True
    deadline = time.monotonic() + timeout
    # The supervisor tries the lease for an instant now and then: that is no client.
    lease = wait_lock(layout.lease, min(deadline, time.monotonic() + 0.3))
    if lease is None:
        return False
    # While the lease is ours new clients wait, so none is given stores that are about to go.
    with lease:
        while is_locked(layout.supervisor_lock):
            if time.monotonic() > deadline:
                return False
            pid = claimant(layout.supervisor_lock)
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            time.sleep(_POLL_SECONDS)
        return True


def _running(layout: Layout, linger: float, deadline: float) -> StoresRecord:
    launches = 0
    while time.monotonic() < deadline:
        if not is_locked(layout.supervisor_lock):
            if launches == _LAUNCHES:
                raise _supervisor_failed(layout, f"it ended {launches} times")
            launches += _launch(layout, linger, deadline)
            continue
        record = _current_record(layout)
        if record is not None and record.failed is not None:
            failed = record.failed
            raise StoreUnavailable(f"store {failed.name!r}", why=failed.detail, fix=f"See its log {failed.log}")
        # A store may have died since: whoever gets an address shall find somebody there.
        if record is not None and record.running and all(answers(store.port) for store in record.stores):
            return record
        time.sleep(_POLL_SECONDS)
    raise StoreUnavailable(
        f"stores of {layout.home}",
        why=f"not up in time; {_progress(layout)}",
        fix=f"See the logs in {layout.logs}",
    )


def _current_record(layout: Layout) -> StoresRecord | None:
    """What the supervisor wrote; not what one that was killed left behind."""
    record = StoresRecord.load(layout.record)
    if record is None or record.supervisor_pid != claimant(layout.supervisor_lock):
        return None
    return record


def _launch(layout: Layout, linger: float, deadline: float) -> bool:
    """Start a supervisor that shares nothing with this process.

    Returns:
        True once it owns the home, False when another one was faster.
    """
    check_installed()
    command = [sys.executable, "-m", "mixpeek_dagster.embedded.supervisor", str(layout.home)]
    root = str(Path(version.__file__).resolve().parents[1])
    paths = [root, os.environ.get("PYTHONPATH", "")]
    started = ChildProcess.start(
        [*command, f"--linger={linger}", "--detach"],
        output=layout.log("supervisor"),
        environment={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        folder=layout.home,
        outlives_us=True,
    )
    if not started.wait(max(1.0, deadline - time.monotonic())):
        started.kill()
        raise _supervisor_failed(layout, "it did not take the home in time")
    # From here on its group is that of the supervisor in the background.
    if started.status not in (0, OWNED):
        raise _supervisor_failed(layout, f"it ended with status {started.status}")
    return started.status == 0


def _supervisor_failed(layout: Layout, how: str) -> StoreUnavailable:
    log = layout.log("supervisor")
    return StoreUnavailable("supervisor of the stores", why=f"{how}: {last_lines(log)}", fix=f"See {log}")


def _progress(layout: Layout) -> str:
    record = StoresRecord.load(layout.record)
    if record is None:
        return f"the supervisor says: {last_lines(layout.log('supervisor')) or 'nothing'}"
    return ", ".join(f"{store.name} is {store.state.value}" for store in record.stores)
