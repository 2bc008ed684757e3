"""Bringing an installation up to date when its stores are opened."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from pymongo import MongoClient
from pymongo.database import Database

from mixpeek_dagster.catalog.connection import Document, mongodb_errors, place
from mixpeek_dagster.errors import SchemaTooNew
from mixpeek_dagster.migrations.installation import Installation
from mixpeek_dagster.migrations.lease import UpgradeLease
from mixpeek_dagster.migrations.plan import CURRENT, load, pending
from mixpeek_dagster.migrations.work import Work
from mixpeek_dagster.settings import Settings

Reached = Callable[[str], None]
_POLL_SECONDS = 0.2
_log = logging.getLogger("mixpeek.migrations")


def ensure_current(
    settings: Settings, client: MongoClient[Document], *, reached: Reached | None = None, batch: int = 500
) -> None:
    """See that what is stored has the shapes that this code knows: earlier ones are upgraded, later ones refused.

    One read if there is nothing to do. A process that is killed anywhere leaves what the next one goes on with; while
    one upgrades, others wait for it.

    Args:
        settings: of open stores; each has its URL.
        client: leads to the catalog.
        reached: told each point of an upgrade, between any two writes.
        batch: how many records, points or manifests are read and changed at a time.

    Raises:
        SchemaTooNew: later code wrote it; nothing was changed.
        StoreError: a store refused a change.
    """
    url = settings.mongodb_url or ""
    installation = Installation(client[settings.mongodb_database], url)
    version = installation.version()
    if version is None:
        version = installation.enter(CURRENT)
    if version < CURRENT:
        version = _Upgrade(settings, client, installation, reached or (lambda _: None), batch).run()
    if version > CURRENT:
        raise SchemaTooNew(f"stored data of {place(url)}", found=version, known=CURRENT)


@dataclass(frozen=True)
class _Upgrade:
    settings: Settings
    client: MongoClient[Document]
    installation: Installation
    reached: Reached
    batch: int

    def run(self) -> int:
        """Take the lease and go through what is pending, or wait until another has; returns the version then."""
        lease, said = UpgradeLease(self._database, self._url), ""
        while (version := self.installation.version() or 0) < CURRENT:
            owner = lease.take()
            if owner is None:
                try:
                    self._go_through(lease)
                finally:
                    lease.give_back()
                continue
            if owner != said:
                _log.warning("waiting while process %s upgrades the stored data", owner.rpartition(":")[0])
            said = owner
            time.sleep(_POLL_SECONDS)
        return version

    def _go_through(self, lease: UpgradeLease) -> None:
        # Read again: who had the lease before may have done some of it since.
        version = self.installation.version() or 0
        for number, name in pending(version):
            _log.warning("upgrading the stored data from version %d to %d of %d: %s", number - 1, number, CURRENT, name)

            def note(point: str, name: str = name) -> None:
                lease.renew()
                self.installation.note(name, point)
                self.reached(f"{name}: {point}")

            with closing(Work(self.settings, self._database, note, self.batch)) as work:
                note("begins")
                with mongodb_errors(self._url):
                    load(name).migrate(work)
                note("done")
            self.installation.advance(number)
            self.reached(f"{name}: version {number}")

    @property
    def _database(self) -> Database[Document]:
        return self.client[self.settings.mongodb_database]

    @property
    def _url(self) -> str:
        return self.settings.mongodb_url or ""
