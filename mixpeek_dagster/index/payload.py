"""What a document's payload looks like: the plugin's fields flat, ours under `_internal`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mixpeek_dagster.schema_version import FIELD, require_known

INTERNAL = "_internal"
COLLECTION_ID = "collection_id"
DOCUMENT_ID = "document_id"
OBJECT_ID = "object_id"
OBJECT_KEY = "object_key"
SOURCE_ID = f"{INTERNAL}.source_id"
BLOB_ID = f"{INTERNAL}.blob_id"
BATCH_ID = f"{INTERNAL}.batch_id"
RUN_ID = f"{INTERNAL}.run_id"
CONFIG_HASH = f"{INTERNAL}.config_hash"
CONTENT_HASH = f"{INTERNAL}.content_hash"
SIBLINGS = f"{INTERNAL}.siblings"
SCHEMA_VERSION = f"{INTERNAL}.{FIELD}"
PAYLOAD_VERSION = 1

INDEXED = (COLLECTION_ID, DOCUMENT_ID, OBJECT_ID, SOURCE_ID, BLOB_ID, BATCH_ID, RUN_ID)
"""Fields with a keyword index."""
INDEXED_NUMBERS = (SCHEMA_VERSION,)
"""Fields with an index of whole numbers; an upgrade finds by it what it has yet to change."""

_ROOT = (DOCUMENT_ID, COLLECTION_ID, OBJECT_ID, OBJECT_KEY)
_ELSEWHERE = frozenset([*_ROOT, "data"])
_SNIPPET = 400


def payload(fields: Mapping[str, Any], system: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of one document.

    Args:
        fields: what the plugin made; a field cannot take a name that is ours.
        system: everything known of row, run and source; `data` is the content or its URL.
    """
    text = fields.get("text") if isinstance(fields.get("text"), str) else system["data"]
    is_text = system["blob_type"] == "text"
    internal = {name: value for name, value in system.items() if name not in _ELSEWHERE}
    internal |= {
        "snippet": str(text)[:_SNIPPET] if is_text else None,
        "source_url": None if is_text else system["data"],
        "created_at": datetime.now(UTC).isoformat(),
        FIELD: PAYLOAD_VERSION,
    }
    own = {name: value for name, value in fields.items() if name != INTERNAL}
    return {**own, **{name: system[name] for name in _ROOT}, INTERNAL: internal}


def internal(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is ours in a payload.

    Raises:
        SchemaTooNew: later code wrote it.
    """
    own: Mapping[str, Any] = document[INTERNAL]
    require_known(f"document {document.get(DOCUMENT_ID, '')!r}", own, PAYLOAD_VERSION)
    return own


def fingerprint(config_hash: str | None, content_hash: str | None) -> str:
    """Names content together with the code and parameters that were applied to it."""
    return f"{config_hash}:{content_hash}"


def fingerprint_of(own: Mapping[str, Any]) -> str:
    """The fingerprint of what is ours in a payload; where a hash is missing, it is like no other."""
    return fingerprint(own.get("config_hash"), own.get("content_hash"))
