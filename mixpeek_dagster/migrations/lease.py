"""One process at a time upgrades an installation, whichever machine it is on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mixpeek_dagster.catalog.connection import Document, mongodb_errors
from mixpeek_dagster.errors import StoreInUse
from mixpeek_dagster.migrations.installation import COLLECTION
from mixpeek_dagster.processes.identity import lease_owner, owner_is_gone

_ID = "lease"
_LENGTH = timedelta(seconds=60)


class UpgradeLease:
    """The right to upgrade, which ends by itself unless it is renewed; that of a dead process is free at once."""

    def __init__(self, database: Database[Document], url: str) -> None:
        self._records = database[COLLECTION]
        self._url = url
        self._owner = lease_owner()

    def acquire(self) -> str | None:
        """Become the owner; returns None, or who it is if another process has it."""
        with mongodb_errors(self._url):
            try:
                self._records.insert_one({"_id": _ID, "owner": self._owner, "until": _until()})
            except DuplicateKeyError:
                held = self._records.find_one({"_id": _ID})
            else:
                return None
            if held is None:
                return self.acquire()
            if held["until"] > datetime.now(UTC) and not owner_is_gone(held["owner"]):
                return str(held["owner"])
            same = {"_id": _ID, "owner": held["owner"], "until": held["until"]}
            taken = self._records.update_one(same, {"$set": {"owner": self._owner, "until": _until()}})
        return None if taken.matched_count == 1 else str(held["owner"])

    def renew(self) -> None:
        """Stay the owner.

        Raises:
            StoreInUse: this process was silent for so long that another has taken over.
        """
        with mongodb_errors(self._url):
            mine = {"_id": _ID, "owner": self._owner}
            if self._records.update_one(mine, {"$set": {"until": _until()}}).matched_count == 1:
                return
        why = "another process has taken it over, since this one said nothing for a minute"
        raise StoreInUse("upgrade of the stored data", why=why, fix="Start again: it goes on where it is")

    def release(self) -> None:
        """Stop being the owner."""
        with mongodb_errors(self._url):
            self._records.delete_one({"_id": _ID, "owner": self._owner})


def _until() -> datetime:
    return datetime.now(UTC) + _LENGTH
