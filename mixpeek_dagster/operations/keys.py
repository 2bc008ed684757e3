"""API keys: issued once in clear, kept as a hash."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.access import KEY_PREFIX, ApiKey, KeyStatus, Permission, hash_key, shown_prefix
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.errors import InvalidRequest, Unauthorized

_FIX = "Send the header `Authorization: Bearer sk_...`; `mixpeek keys create` makes a key"


def issue_key(
    catalog: Catalog,
    organization_id: str,
    name: str,
    permissions: Sequence[Permission],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key.

    Returns:
        The record, and the key itself, which cannot be had a second time.

    Raises:
        InvalidRequest: no permission is given, or it would have expired already.
    """
    if not permissions:
        raise InvalidRequest(f"API key {name!r}", why="it has no permissions", fix="Give it at least 'read'")
    now = datetime.now(UTC)
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest(f"API key {name!r}", why=f"{expires_at.isoformat()} is in the past")
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(
        key_id=ids.new_id(ids.Prefix.API_KEY),
        organization_id=organization_id,
        name=name,
        key_hash=hash_key(secret),
        key_prefix=shown_prefix(secret),
        permissions=tuple(dict.fromkeys(permissions)),
        created_at=now,
        expires_at=expires_at,
    )
    return catalog.api_keys.insert(key), secret


def require_key(catalog: Catalog, authorization: str | None) -> ApiKey:
    """The key behind an `Authorization` header.

    Raises:
        Unauthorized: there is no header, or its key is unknown, revoked or expired.
    """
    scheme, _, secret = (authorization or "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        why = "there is no Authorization header" if not authorization else "it is not of the form `Bearer sk_...`"
        raise Unauthorized("this request", why=why, fix=_FIX)
    key = catalog.api_keys.find_by_hash(hash_key(secret))
    if key is None:
        raise Unauthorized("the API key", why="it is not known here", fix=_FIX)
    if key.status is not KeyStatus.ACTIVE:
        raise Unauthorized(f"API key {key.key_prefix}...", why=f"it is {key.status.value}", fix=_FIX)
    return key
