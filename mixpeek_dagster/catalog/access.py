"""Who may do what: organizations and their API keys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from pymongo import ASCENDING

from mixpeek_dagster.catalog.records import Name, Record
from mixpeek_dagster.catalog.repository import Repository

KEY_PREFIX = "sk_"
_SHOWN = 10


class Permission(StrEnum):
    """What a key allows; each includes those before it."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    ADMIN = "admin"

    def includes(self, other: Permission) -> bool:
        order = list(Permission)
        return order.index(self) >= order.index(other)


class KeyStatus(StrEnum):
    """Whether a key opens anything."""

    ACTIVE = "active"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Organization(Record):
    """A tenant: owns namespaces and API keys."""

    organization_id: str
    organization_name: Name
    created_at: datetime


class ApiKey(Record):
    """A key as it is kept: its hash and its first characters, never the key itself."""

    key_id: str
    organization_id: str
    name: str
    key_hash: str
    key_prefix: str
    permissions: tuple[Permission, ...]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def status(self) -> KeyStatus:
        """Whether it opens anything now."""
        if self.revoked_at is not None:
            return KeyStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= datetime.now(UTC):
            return KeyStatus.EXPIRED
        return KeyStatus.ACTIVE

    def allows(self, permission: Permission) -> bool:
        """Each permission includes those before it."""
        return any(held.includes(permission) for held in self.permissions)


def hash_key(key: str) -> str:
    """sha256 of a key, in hex. Keys are 256 random bits, so neither salt nor slow hashing would add anything."""
    return hashlib.sha256(key.encode()).hexdigest()


def shown_prefix(key: str) -> str:
    """The first characters of a key, by which people tell their keys apart."""
    return key[:_SHOWN]


class Organizations(Repository[Organization]):
    """Organization names are unique."""

    kind, record = "organization", Organization
    indexes = (((("organization_name", ASCENDING),), True),)


class ApiKeys(Repository[ApiKey]):
    """Kept under the hash of the key; the key itself is nowhere."""

    kind, record, key = "api_key", ApiKey, "key_id"
    indexes = (((("key_hash", ASCENDING),), True), ((("organization_id", ASCENDING),), False))

    def find_by_hash(self, key_hash: str) -> ApiKey | None:
        return self._find_one({"key_hash": key_hash})

    def find(self, organization_id: str) -> Sequence[ApiKey]:
        """An organization's keys, oldest first."""
        found = self._find({"organization_id": organization_id})
        return sorted(found, key=lambda key: (key.created_at, key.key_id))

    def revoke(self, key_id: str) -> bool:
        """Make a key open nothing from now on; returns whether it was there and not revoked yet."""
        return self._update({"_id": key_id, "revoked_at": None}, {"$set": {"revoked_at": datetime.now(UTC)}})
