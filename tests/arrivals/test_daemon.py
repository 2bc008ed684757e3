"""The whole way with real processes: `mixpeek up` sees what lands, runs it, and goes on after being killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mixpeek_dagster.objects.connection import S3Access
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores, open_stores
from tests.runs.conftest import EMBED, MANIFEST, PIPELINE

_RUN = [sys.executable, "-c", "from mixpeek_dagster.cli.main import run; run()"]
_SECONDS = 150


class Installation:
    """A home folder of its own, and `mixpeek up` on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.variables = {
            **os.environ,
            "MIXPEEK_HOME": str(home),
            "MIXPEEK_DAGSTER_PORT": "0",
            "MIXPEEK_API_PORT": "0",
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }

    def command(self, *arguments: str) -> str:
        done = subprocess.run(
            [*_RUN, *arguments], env=self.variables, cwd=self.home.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def up(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*_RUN, "up", "--no-inference"], env=self.variables, stdout=subprocess.PIPE, text=True, cwd=self.home.parent
        )
        assert process.stdout is not None
        for line in process.stdout:
            if "Ctrl-C" in line:
                return process
        raise AssertionError("mixpeek up did not start")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    folder = tmp_path / "tiny"
    (folder / "processors").mkdir(parents=True)
    (folder / "manifest.py").write_text(MANIFEST.format(name="tiny", inputs="None", types='["text"]'))
    (folder / "pipeline.py").write_text(PIPELINE.format(condition="ALWAYS"))
    (folder / "processors" / "core.py").write_text(EMBED)
    installed = Installation(tmp_path / "home")
    installed.command("bucket", "sync", "on", "notes", "--batch-seconds", "1")
    installed.command("collection", "create", "tiny", "--plugin", str(folder), "--bucket", "notes")
    return installed


@pytest.fixture
def stores(installation: Installation) -> Iterator[Stores]:
    with open_stores(Settings.model_validate({"home": installation.home})) as stores:
        yield stores


def documents(stores: Stores) -> int:
    namespace = stores.catalog.ensure_namespace("default", "local")
    return stores.index.count_documents(namespace.namespace_id)


def wait_for(stores: Stores, count: int) -> None:
    deadline = time.monotonic() + _SECONDS
    while documents(stores) != count:
        assert time.monotonic() < deadline, f"{documents(stores)} documents, {count} are wanted"
        time.sleep(1)


def put(s3: Any, start: int, end: int, text: str = "note") -> None:
    for number in range(start, end):
        s3.put_object(Bucket="mixpeek", Key=f"default/notes/{number}.txt", Body=f"{text} {number}".encode())


def stores_process(home: Path, name: str) -> psutil.Process:
    """The embedded server of that name below this home folder's supervisor."""
    lines = {process: " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])}
    supervisors = [process for process, line in lines.items() if "supervisor" in line and str(home) in line]
    servers = [child for process in supervisors for child in process.children(recursive=True)]
    return next(server for server in servers if name in " ".join(server.cmdline()))


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("name", ["secantusd", "weed", "qdrant_server"])
def test_a_store_that_does_not_answer_for_a_minute_is_caught_up_with(
    installation: Installation, stores: Stores, name: str
) -> None:
    s3 = S3Access.of(stores.settings).client()
    process = installation.up()
    try:
        put(s3, 0, 10)
        wait_for(stores, 10)
        put(s3, 10, 20)
        time.sleep(4)
        hung = stores_process(installation.home, name)
        hung.suspend()
        time.sleep(60)
        hung.resume()
        put(s3, 20, 30)
        wait_for(stores, 30)
        assert "FAILED" not in installation.command("bucket", "sync", "status", "notes")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_what_lands_is_searchable_even_if_everything_is_killed_meanwhile(
    installation: Installation, stores: Stores
) -> None:
    s3 = S3Access.of(stores.settings).client()

    process = installation.up()
    put(s3, 0, 20)
    wait_for(stores, 20)
    put(s3, 20, 40)
    put(s3, 0, 5, "changed")
    s3.delete_object(Bucket="mixpeek", Key="default/notes/10.txt")
    time.sleep(12)
    for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        if "secantusd" not in " ".join(child.cmdline()):
            child.send_signal(signal.SIGKILL)
    process.wait()
    put(s3, 40, 50)
    again = installation.up()
    try:
        wait_for(stores, 49)
        assert "failed" not in installation.command("bucket", "sync", "status", "notes").lower()
        found = installation.command("search", "tiny", "changed 3", "--json")
        assert "changed" in found
    finally:
        again.send_signal(signal.SIGINT)
        again.wait(60)
