"""What the supervisor tells the clients: one JSON file per home."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from mixpeek_dagster.processes.files import write_atomically

PRIVATE = 0o600
OWNED = 3
"""Exit status of a supervisor that found the home owned by another one."""


class StoreState(StrEnum):
    """Life of a store under its supervisor."""

    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True)
class StoreRecord:
    """One store as the supervisor last saw it."""

    name: str
    state: StoreState
    url: str
    port: int
    pid: int | None
    log: str
    detail: str = ""


@dataclass(frozen=True)
class Credentials:
    """Keys of the S3 store."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def of_home(cls, path: Path) -> Credentials:
        """The home's keys; random ones are made the first time."""
        if not path.exists():
            made = cls(f"MXPK{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30))
            write_atomically(path, json.dumps(asdict(made)).encode(), PRIVATE)
        return cls(**json.loads(path.read_bytes()))


@dataclass(frozen=True)
class StoresRecord:
    """All stores of a home, as their supervisor last saw them."""

    supervisor_pid: int
    stores: tuple[StoreRecord, ...]
    s3: Credentials

    def save(self, path: Path) -> None:
        """Replace the file, readable by its owner alone."""
        write_atomically(path, json.dumps(asdict(self), indent=2).encode(), PRIVATE)

    @classmethod
    def load(cls, path: Path) -> StoresRecord | None:
        """None if the home has no record yet."""
        try:
            raw: dict[str, Any] = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        stores = tuple(_store(item) for item in raw["stores"])
        return cls(raw["supervisor_pid"], stores, Credentials(**raw["s3"]))

    @property
    def running(self) -> bool:
        return all(store.state is StoreState.RUNNING for store in self.stores)

    @property
    def failed(self) -> StoreRecord | None:
        """A store that was given up, if any."""
        return next((store for store in self.stores if store.state is StoreState.FAILED), None)


def _store(raw: Mapping[str, Any]) -> StoreRecord:
    return StoreRecord(**{**raw, "state": StoreState(raw["state"])})
