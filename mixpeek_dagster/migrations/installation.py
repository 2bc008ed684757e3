"""The record that says which version an installation's stored data is of, and how far its upgrade has come."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from mixpeek_dagster.catalog.connection import Document, mongodb_errors

COLLECTION = "schema"
_ID = "installation"


class Installation:
    """The record, in a collection of its own beside those of the catalog.

    Args:
        database: the catalog's.
        url: where it is, for messages.
    """

    def __init__(self, database: Database[Document], url: str) -> None:
        self._database = database
        self._records = database[COLLECTION]
        self._url = url

    def version(self) -> int | None:
        """The version; None if nothing has been entered yet.

        Raises:
            StoreUnavailable: MongoDB does not answer.
        """
        found = self.describe()
        return None if found is None else int(found["version"])

    def describe(self) -> dict[str, Any] | None:
        """The whole record, or None."""
        with mongodb_errors(self._url):
            return self._records.find_one({"_id": _ID})

    def holds_records(self) -> bool:
        """Whether anything is stored at all."""
        with mongodb_errors(self._url):
            for name in self._database.list_collection_names():
                own = name != COLLECTION and not name.startswith("system.")
                if own and self._database[name].find_one({}, {"_id": 1}) is not None:
                    return True
        return False

    def enter(self, current: int) -> int:
        """Make the record: a new installation is current, one that says nothing is of version 0.

        Returns:
            The version; that which another process has entered, if it was faster.
        """
        version = 0 if self.holds_records() else current
        with mongodb_errors(self._url), suppress(DuplicateKeyError):
            self._records.insert_one({"_id": _ID, "version": version, "updated_at": datetime.now(UTC)})
        return self.version() or 0

    def advance(self, version: int) -> None:
        """One migration more is behind us; never a step back."""
        change = {"version": version, "updated_at": datetime.now(UTC), "under_way": None}
        with mongodb_errors(self._url):
            self._records.update_one({"_id": _ID, "version": version - 1}, {"$set": change})

    def note(self, migration: str, point: str) -> None:
        """Say how far a migration has come, for people who look."""
        change = {"under_way": {"migration": migration, "point": point}, "updated_at": datetime.now(UTC)}
        with mongodb_errors(self._url):
            self._records.update_one({"_id": _ID}, {"$set": change})
