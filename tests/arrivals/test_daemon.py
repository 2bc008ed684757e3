"""The whole way with real processes: `mixpeek up` sees what lands, runs it, and goes on after being killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mixpeek_dagster.settings import Settings
from mixpeek_dagster.storage.connection import S3Access
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


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_what_lands_is_searchable_even_if_everything_is_killed_meanwhile(
    installation: Installation, stores: Stores
) -> None:
    s3 = S3Access.of(stores.settings).client()

    def put(start: int, end: int, text: str = "note") -> None:
        for number in range(start, end):
            key = f"default/notes/{number}.txt"
            s3.put_object(Bucket="mixpeek", Key=key, Body=f"{text} {number}".encode())

    process = installation.up()
    put(0, 20)
    wait_for(stores, 20)
    put(20, 40)
    put(0, 5, "changed")
    s3.delete_object(Bucket="mixpeek", Key="default/notes/10.txt")
    time.sleep(12)
    for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        if "secantusd" not in " ".join(child.cmdline()):
            child.send_signal(signal.SIGKILL)
    process.wait()
    put(40, 50)
    again = installation.up()
    try:
        wait_for(stores, 49)
        assert "failed" not in installation.command("bucket", "sync", "status", "notes").lower()
        found = installation.command("search", "tiny", "changed 3", "--json")
        assert "changed" in found
    finally:
        again.send_signal(signal.SIGINT)
        again.wait(60)
