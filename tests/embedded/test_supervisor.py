"""One supervisor per home starts the stores, keeps them, and goes when its last client is gone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pymongo
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

from mixpeek_dagster.embedded import EmbeddedStores, open_embedded, stop_embedded, stores_status
from mixpeek_dagster.errors import StoreNotInstalled, StoreUnavailable

Eventually = Callable[[Callable[[], object]], None]
Alive = Callable[[int], bool]

CLIENT = """
import sys
from pathlib import Path
from mixpeek_dagster.embedded import open_embedded
with open_embedded(Path(sys.argv[1]), linger=float(sys.argv[2])) as stores:
    print(stores.mongodb_url, stores.qdrant_url, stores.s3_url, flush=True)
    sys.stdin.read()
"""


class Client:
    """Another process that holds the stores open until it is told to leave."""

    def __init__(self, home: Path, linger: float = 0.5) -> None:
        command = [sys.executable, "-c", CLIENT, str(home), str(linger)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def urls(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def leave(self) -> int:
        self.process.communicate("")
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def pids(home: Path) -> list[int]:
    return [status.pid for status in stores_status(home) if status.pid is not None]


def open_files(pid: int) -> set[str]:
    """What a process's file descriptors lead to; one that it closes meanwhile is left out."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(descriptor.readlink()))
    return found


def s3_client(stores: EmbeddedStores) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=stores.s3_url,
        aws_access_key_id=stores.s3_access_key_id.get_secret_value(),
        aws_secret_access_key=stores.s3_secret_access_key.get_secret_value(),
        region_name="us-east-1",
    )


def test_the_stores_serve_ordinary_clients(embedded: EmbeddedStores) -> None:
    with pymongo.MongoClient[dict[str, Any]](embedded.mongodb_url) as mongo:
        mongo.probe.items.insert_one({"_id": 1, "text": "hello"})
        assert mongo.probe.items.find_one({"_id": 1}) == {"_id": 1, "text": "hello"}
    assert QdrantClient(url=embedded.qdrant_url).get_collections() is not None
    s3 = s3_client(embedded)
    s3.create_bucket(Bucket="probe")
    s3.put_object(Bucket="probe", Key="a/b", Body=b"hello")
    assert s3.get_object(Bucket="probe", Key="a/b")["Body"].read() == b"hello"


def test_two_opens_in_one_process_share_a_lease(embedded: EmbeddedStores, home: Path) -> None:
    before = pids(home)
    with open_embedded(home) as again:
        assert again.qdrant_url == embedded.qdrant_url
    again.close()
    assert not stop_embedded(home)
    assert pids(home) == before


def test_secrets_are_not_shown_and_not_readable_by_others(embedded: EmbeddedStores, home: Path) -> None:
    assert embedded.s3_secret_access_key.get_secret_value() not in repr(embedded)
    assert embedded.s3_access_key_id.get_secret_value() not in repr(embedded)
    for name in ("stores.json", "s3-credentials.json"):
        assert (home / "run" / name).stat().st_mode & 0o777 == 0o600
    assert (home / "run").stat().st_mode & 0o777 == 0o700
    commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids(home)]
    assert not any(embedded.s3_secret_access_key.get_secret_value() in command for command in commands)


def test_the_supervisor_shares_nothing_with_who_started_it(
    embedded: EmbeddedStores, home: Path, supervisors_of: Callable[[Path], list[int]]
) -> None:
    (supervisor,) = supervisors_of(home)
    assert os.getsid(supervisor) != os.getsid(0)
    ours = [
        target
        for target in open_files(supervisor)
        if target.startswith("/") and not target.startswith((str(home), "/dev/null"))
    ]
    assert ours == []
    assert Path(f"/proc/{supervisor}/cwd").readlink() == home


def test_only_the_loopback_address_is_served(embedded: EmbeddedStores, home: Path) -> None:
    owned = set().union(*map(open_files, pids(home)))
    listening = [
        address
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for _, address, _, state, *rest in map(str.split, Path(table).read_text().splitlines()[1:])
        if state == "0A" and f"socket:[{rest[5]}]" in owned
    ]
    assert len(listening) == 12
    assert {address.partition(":")[0] for address in listening} == {"0100007F"}


def test_a_home_that_was_never_used_is_left_alone(tmp_path: Path) -> None:
    assert {status.state for status in stores_status(tmp_path / "home")} == {"stopped"}
    assert stop_embedded(tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_starters_at_once_get_one_supervisor(
    own_home: Path, supervisors_of: Callable[[Path], list[int]], eventually: Eventually, alive: Alive
) -> None:
    clients = [Client(own_home) for _ in range(4)]
    urls = [client.urls() for client in clients]
    assert len(urls[0]) == 3
    assert urls == [urls[0]] * 4
    assert len(supervisors_of(own_home)) == 1
    processes = [*supervisors_of(own_home), *pids(own_home)]
    assert [client.leave() for client in clients[:3]] == [0, 0, 0]
    assert not stop_embedded(own_home)
    assert all(map(alive, processes))
    clients[3].kill()
    eventually(lambda: not any(map(alive, processes)))
    assert {status.state for status in stores_status(own_home)} == {"stopped"}


def test_threads_at_once_share_the_stores(own_home: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_embedded(own_home, linger=0.5), range(4)))
    assert len({stores.qdrant_url for stores in opened}) == 1
    for stores in opened:
        stores.close()
    assert stop_embedded(own_home)


def test_taken_ports_are_avoided_and_a_home_keeps_its_own(own_home: Path) -> None:
    usual = {27117, 6343, 8343}
    with occupied(usual):
        with open_embedded(own_home, linger=0.5) as first:
            urls = (first.mongodb_url, first.qdrant_url, first.s3_url)
            assert not any(str(port) in url for port in usual for url in urls)
        assert stop_embedded(own_home)
    with open_embedded(own_home, linger=0.5) as second:
        assert (second.mongodb_url, second.qdrant_url, second.s3_url) == urls
        assert second.s3_secret_access_key == first.s3_secret_access_key


class occupied:  # noqa: N801 - reads as a word in a with statement
    """Listen on ports, or leave them to whoever does already."""

    def __init__(self, ports: set[int]) -> None:
        self._sockets = [socket.socket() for _ in ports]
        self._ports = ports

    def __enter__(self) -> None:
        for port, listener in zip(self._ports, self._sockets, strict=True):
            # A port whose last connections are still closing is free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
                listener.listen()
            except OSError:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()

    def __exit__(self, *_: object) -> None:
        for listener in self._sockets:
            listener.close()


def test_a_killed_supervisor_takes_its_stores_along_and_the_next_client_starts_anew(
    own_home: Path, supervisors_of: Callable[[Path], list[int]], eventually: Eventually, alive: Alive
) -> None:
    with open_embedded(own_home, linger=0.5) as stores:
        vectors = {"v": m.VectorParams(size=1, distance=m.Distance.DOT)}
        QdrantClient(url=stores.qdrant_url).create_collection("kept", vectors_config=vectors)
        old = pids(own_home)
        os.kill(supervisors_of(own_home)[0], signal.SIGKILL)
        eventually(lambda: not any(map(alive, old)))
        assert (own_home / "run" / "stores.json").exists()
        # The system takes a moment to close what a killed process held, its lock among it.
        eventually(lambda: {status.state for status in stores_status(own_home)} == {"stopped"})
        with open_embedded(own_home, linger=0.5) as anew:
            assert QdrantClient(url=anew.qdrant_url).collection_exists("kept")
            assert not set(pids(own_home)) & set(old)


def test_sigterm_stops_everything_though_clients_are_left(
    own_home: Path, supervisors_of: Callable[[Path], list[int]], eventually: Eventually, alive: Alive
) -> None:
    with open_embedded(own_home):
        processes = [*supervisors_of(own_home), *pids(own_home)]
        os.kill(processes[0], signal.SIGTERM)
        eventually(lambda: not any(map(alive, processes)))
        with open_embedded(own_home) as anew, pymongo.MongoClient[dict[str, Any]](anew.mongodb_url) as mongo:
            assert mongo.admin.command("ping")["ok"] == 1


def test_a_second_supervisor_of_a_home_ends_at_once_with_one_line(embedded: EmbeddedStores, home: Path) -> None:
    command = [sys.executable, "-m", "mixpeek_dagster.embedded.supervisor", str(home)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    pid = json.loads((home / "run" / "stores.json").read_text())["supervisor_pid"]
    assert second.returncode == 3
    assert second.stderr.count("\n") == 1
    assert f"home {home}: its stores are run by another supervisor (pid {pid})" in second.stderr


def test_programs_that_a_client_runs_do_not_hold_its_lease(own_home: Path) -> None:
    stores = open_embedded(own_home)
    heir = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    stores.close()
    assert stop_embedded(own_home)
    heir.communicate(b"\n")


def test_missing_programs_are_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, supervisors_of: Callable[[Path], list[int]]
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreNotInstalled, match=r"secantusd-py.*pip install 'mixpeek-dagster\[embedded\]'"):
        open_embedded(tmp_path / "home")
    assert supervisors_of(tmp_path / "home") == []


def test_a_store_that_cannot_start_is_reported_with_its_log(own_home: Path) -> None:
    blocked = own_home / "stores" / "qdrant"
    blocked.mkdir(parents=True)
    (blocked / "collections").write_text("no folder")
    with pytest.raises(StoreUnavailable) as failure:
        open_embedded(own_home, linger=0.5)
    assert "store 'qdrant'" in str(failure.value)
    assert "while it started, 3 times" in str(failure.value)
    assert str(own_home / "logs" / "qdrant.log") in str(failure.value)
    assert "FileExistsError" in str(failure.value)
