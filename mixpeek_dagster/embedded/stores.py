"""The three stores: how each is started, addressed and asked whether it is well."""

from __future__ import annotations

import http.client
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mixpeek_dagster.embedded.layout import Layout
from mixpeek_dagster.embedded.programs import find_program
from mixpeek_dagster.embedded.records import Credentials
from mixpeek_dagster.processes.files import write_atomically
from mixpeek_dagster.processes.ports import HOST

Ports = Mapping[str, int]
PROBE_SECONDS = 2.0
S3_REGION = "us-east-1"


@dataclass(frozen=True)
class Store(ABC):
    """One kind of store in one home."""

    layout: Layout
    credentials: Credentials

    name: ClassVar[str]
    label: ClassVar[str]
    ports: ClassVar[dict[str, tuple[int, ...]]]
    """Names of the ports it needs, each with the usual ones; `main` is the one that clients use."""
    companion: ClassVar[int] = 0
    stop_seconds: ClassVar[float] = 10.0
    """How long it may take to end when it is told to; then it is killed."""

    @property
    def folder(self) -> Path:
        return self.layout.data(self.name)

    @abstractmethod
    def command(self, ports: Ports) -> list[str]:
        """The program and its arguments."""

    def environment(self) -> dict[str, str]:
        """That of this process, unless the store needs more."""
        return dict(os.environ)

    @abstractmethod
    def url(self, ports: Ports) -> str:
        """Where clients find it."""

    @abstractmethod
    def is_well(self, ports: Ports, pid: int) -> bool:
        """Whether it serves requests, and is the process `pid` or knows our credentials.

        Raises:
            Exception: whatever the client raises while the store is not up.
        """

    def tidy(self, ports: Ports) -> None:  # noqa: B027 - most leave nothing behind
        """Remove what an ended program left outside the home."""


class MongoDB(Store):
    """SecantusDB, which speaks MongoDB's wire protocol; every commit is synced to disk."""

    name = "mongodb"
    label = "MongoDB (SecantusDB)"
    ports = {"main": (27117,)}

    def command(self, ports: Ports) -> list[str]:
        # An explicit, empty configuration keeps files in the user's home or in /etc from changing the server.
        config = self.layout.run / "secantusd.toml"
        write_atomically(config, b"")
        program = [str(find_program("secantusd-py")), "--config", str(config), "--log-level", "WARNING"]
        place = ["--host", HOST, "--port", str(ports["main"]), "--storage-path", str(self.folder)]
        return [*program, *place, "--sync-on-commit"]

    def url(self, ports: Ports) -> str:
        # The server scans its table of retryable writes on each write: seven times slower with them on.
        return f"mongodb://{HOST}:{ports['main']}/?retryWrites=false"

    def is_well(self, ports: Ports, pid: int) -> bool:
        from pymongo import MongoClient

        wait = int(PROBE_SECONDS * 1000)
        with MongoClient[dict[str, object]](
            self.url(ports), directConnection=True, serverSelectionTimeoutMS=wait, socketTimeoutMS=wait
        ) as client:
            client.admin.command("ping")
            return bool(client.admin.command("serverStatus")["pid"] == pid)


class Qdrant(Store):
    """Our own server over the Qdrant engine."""

    name = "qdrant"
    label = "Qdrant"
    ports = {"main": (6343,)}

    def command(self, ports: Ports) -> list[str]:
        server = [sys.executable, "-m", "mixpeek_dagster.qdrant_server"]
        return [*server, "--path", str(self.folder), "--port", str(ports["main"])]

    def url(self, ports: Ports) -> str:
        return f"http://{HOST}:{ports['main']}"

    def is_well(self, ports: Ports, pid: int) -> bool:
        ready, _ = _get(ports["main"], "/readyz")
        status, body = _get(ports["main"], "/")
        return ready == status == 200 and json.loads(body).get("pid") == pid


class S3(Store):
    """SeaweedFS, with all its parts in one process; each part also listens 10000 ports higher."""

    name = "s3"
    label = "S3 (SeaweedFS)"
    ports = {"main": (8343,), "master": (), "volume": (), "filer": (), "admin": ()}
    companion = 10000
    # Every now and then it does not end at all. What it has acknowledged is kept all the same.
    stop_seconds = 3.0

    def command(self, ports: Ports) -> list[str]:
        numbers = [f"-{'s3' if part == 'main' else part}.port={port}" for part, port in ports.items()]
        return [
            str(find_program("weed")),
            "-logtostderr=true",
            "mini",
            "-dir=.",
            f"-ip={HOST}",
            f"-ip.bind={HOST}",
            *numbers,
            # Relative: the path of a socket may not be longer than 107 bytes.
            "-filer.localSocket=filer.sock",
            "-s3.localSocket=s3.sock",
            "-volume.preStopSeconds=0",
            "-admin.ui=false",
            "-webdav=false",
            "-master.telemetry=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]

    def environment(self) -> dict[str, str]:
        # HOME is the data folder, so that no configuration of the user's is read; the keys become the administrator's.
        return {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "AWS_ACCESS_KEY_ID": self.credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_access_key,
        }

    def url(self, ports: Ports) -> str:
        return f"http://{HOST}:{ports['main']}"

    def is_well(self, ports: Ports, pid: int) -> bool:
        # Only our own server accepts keys that were made for this home.
        status, _ = _get(ports["main"], "/", self._signed(self.url(ports) + "/"))
        if status != 200:
            return False
        # It answers before its volumes are known to it, and then every read of an object would fail.
        status, body = _get(ports["master"], "/dir/status")
        return status == 200 and bool(json.loads(body)["Topology"].get("DataCenters"))

    def tidy(self, ports: Ports) -> None:
        for port in ports.values():
            for socket in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + self.companion}.sock"):
                socket.unlink(missing_ok=True)

    def _signed(self, url: str) -> dict[str, str]:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials as Keys

        request = AWSRequest("GET", url)
        keys = Keys(self.credentials.access_key_id, self.credentials.secret_access_key)
        S3SigV4Auth(keys, "s3", S3_REGION).add_auth(request)
        return dict(request.headers)


STORES: tuple[type[Store], ...] = (MongoDB, Qdrant, S3)


def _get(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """A plain GET that no proxy setting diverts: (status, body)."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
