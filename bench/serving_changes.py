"""Realtime inference while it is changed and killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import plugin_repo
from bench.installation import Installation, installation
from bench.loads import Requests, load
from bench.report import Figure
from bench.servers import Endpoint
from bench.serving_run import Run

_PLUGIN, _ROUTE = "my_extractor_1_0_0", "/my_extractor/1_0_0"
_CLIENTS = 16
_RECOVERY_SECONDS = 120.0


def deploy_under_load(run: Run) -> list[Figure]:
    """A new build of a plugin takes the place of the one that answers."""
    with (
        _deployed(run, "deploy") as (up, folder, endpoint),
        load(endpoint, run.texts, run.home / "deploy-load", clients=_CLIENTS, warm_seconds=run.warm_seconds) as running,
    ):
        before = time.monotonic()
        time.sleep(run.seconds / 2)
        with (folder / "realtime.py").open("a", encoding="utf-8") as file:
            file.write("\n# Another build.\n")
        up.mixpeek("plugin", "push", folder, "--replace")
        begin = time.monotonic()
        up.mixpeek("plugin", "deploy", _PLUGIN, "--watch")
        end = time.monotonic()
        time.sleep(run.seconds / 2)
        made = running.stop()
    calm, changing = _between(made, before, begin), _between(made, begin, end)
    failed = int((~made.good & (made.end >= before)).sum())
    note = f"{_CLIENTS} clients, {len(made.start)} requests; {_said(made)}"
    return [
        Figure("deploy_failed_requests", failed, 0, note=note),
        Figure("deploy_p99_ms", _p99(made, changing), note=f"{_p99(made, calm):.0f} ms before it"),
        Figure("deploy_seconds", end - begin, note="from `plugin deploy` to DEPLOYED"),
    ]


def killed_under_load(run: Run) -> list[Figure]:
    """The process of a service is killed."""
    with _deployed(run, "kill") as (up, _, endpoint):
        pid = up.services()[_ROUTE]
        with load(
            endpoint, run.texts, run.home / "kill-load", clients=_CLIENTS, warm_seconds=run.warm_seconds
        ) as running:
            time.sleep(run.seconds / 2)
            os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            _wait_for_another(up, pid)
            time.sleep(run.seconds / 2)
            made = running.stop()
    failed = ~made.good
    in_flight = failed & (made.start < killed) & (made.end >= killed)
    later = failed & (made.start >= killed)
    unclear = [i for i in np.flatnonzero(failed) if not _is_clear(int(made.status[i]), bytes(made.body[i]))]
    again = made.end[made.good & (made.start >= killed)]
    recovered = float(again.min() - killed) if len(again) else float("inf")
    return [
        Figure("kill_failed_in_flight", int(in_flight.sum()), _CLIENTS, note=_said(made)),
        Figure("kill_failed_later", int(later.sum()), 0, note="requests that came after the kill"),
        Figure("kill_unclear_errors", len(unclear), 0, note="failures without an error that says what happened"),
        Figure("kill_recovered_seconds", recovered, note="until the first request that came after it was answered"),
    ]


@contextmanager
def _deployed(run: Run, name: str) -> Iterator[tuple[Installation, Path, Endpoint]]:
    """`mixpeek up` with the example plugin deployed; its folder, to change."""
    folder = run.home / name / "my_extractor"
    shutil.copytree(Path(plugin_repo.__path__[0]) / "examples" / "my_extractor", folder)
    with installation(run.home / name / "home", run.settings.models_path) as up:
        up.mixpeek("plugin", "push", folder)
        up.mixpeek("plugin", "deploy", _PLUGIN, "--watch")
        yield up, folder, Endpoint(up.port, _ROUTE, lambda text: {"inputs": {"text": text}}, ("embedding",))


def _wait_for_another(up: Installation, pid: int) -> None:
    until = time.monotonic() + _RECOVERY_SECONDS
    while time.monotonic() < until:
        if up.services().get(_ROUTE, pid) != pid:
            return
        time.sleep(0.2)
    raise SystemExit(f"nothing serves {_ROUTE} {_RECOVERY_SECONDS:g} s after its process was killed")


def _between(made: Requests, begin: float, end: float) -> np.ndarray:
    return np.asarray(made.good & (made.end >= begin) & (made.end <= end))


def _p99(made: Requests, which: np.ndarray) -> float:
    return float(np.percentile((made.end - made.start)[which], 99) * 1000) if which.any() else float("inf")


def _is_clear(status: int, body: bytes) -> bool:
    """Whether a failure came with the envelope that every error has."""
    try:
        said = json.loads(body)
    except ValueError:
        return False
    return status >= 400 and said.get("success") is False and bool(said.get("error", {}).get("message"))


def _said(made: Requests) -> str:
    """The first words of each kind of failure."""
    failed = np.flatnonzero(~made.good)
    kinds = {f"{made.status[i]}: {bytes(made.body[i])[:120].decode(errors='replace')}" for i in failed}
    return "; ".join(sorted(kinds)[:3])
