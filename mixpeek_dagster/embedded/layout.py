"""Where the embedded stores keep things under one home folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths under `home`."""

    home: Path

    @property
    def run(self) -> Path:
        """Locks, ports, credentials and the record of what runs; for the owner's eyes only."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """One log per store and one of the supervisor."""
        return self.home / "logs"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the one supervisor of the home."""
        return self.run / "supervisor.lock"

    @property
    def lease(self) -> Path:
        """Shared by all clients; the supervisor stops the stores when it can have it alone."""
        return self.run / "lease"

    @property
    def record(self) -> Path:
        """What runs where, see `records.Record`."""
        return self.run / "stores.json"

    @property
    def ports(self) -> Path:
        """Ports of the last start, to be used again."""
        return self.run / "ports.json"

    @property
    def credentials(self) -> Path:
        """Keys of the S3 store, made once per home."""
        return self.run / "s3-credentials.json"

    def data(self, store: str) -> Path:
        return self.home / "stores" / store

    def log(self, name: str) -> Path:
        """Log file of a store or of the supervisor."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Create the folders."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.run.mkdir(mode=0o700, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
