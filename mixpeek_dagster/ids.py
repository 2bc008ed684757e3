"""Identifiers: one place for their prefixes and for what makes two documents the same."""

from __future__ import annotations

import re
import secrets
import uuid
from enum import StrEnum

_DOCUMENTS = uuid.UUID("6f1d6f4e-2c1b-5d0e-9a55-6d6978706565")


class Prefix(StrEnum):
    """What an identifier names."""

    ORGANIZATION = "org"
    NAMESPACE = "ns"
    BUCKET = "bkt"
    OBJECT = "obj"
    BLOB = "blob"
    COLLECTION = "col"
    DOCUMENT = "doc"
    BATCH = "btch"
    TASK = "task"
    RETRIEVER = "ret"
    UPLOAD = "upl"
    API_KEY = "key"
    REQUEST = "req"


def new_id(prefix: Prefix) -> str:
    """A fresh random identifier such as `btch_5f0c9a1b2c3d`."""
    return f"{prefix.value}_{secrets.token_hex(6)}"


def derived_id(prefix: Prefix, *parts: str) -> str:
    """The same identifier for the same parts, on any machine."""
    return f"{prefix.value}_{uuid.uuid5(_DOCUMENTS, _join(parts)).hex[:20]}"


def blob_id(object_id: str, blob_property: str) -> str:
    """Identifier of an object's blob by the property that it holds."""
    return derived_id(Prefix.BLOB, object_id, blob_property)


def organization_id(name: str) -> str:
    """Derived from the name: the same in every installation."""
    return derived_id(Prefix.ORGANIZATION, name)


def document_id(namespace_id: str, collection_id: str, object_key: str, blob_property: str, position: str = "") -> str:
    """Deterministic document id: running again overwrites instead of doubling."""
    parts = (namespace_id, collection_id, object_key, blob_property, position)
    return f"{Prefix.DOCUMENT.value}_{uuid.uuid5(_DOCUMENTS, _join(parts)).hex}"


def child_document_id(parent: str, position: str) -> str:
    """Id of a document that a step derived from `parent`, e.g. one chunk of a text."""
    return f"{Prefix.DOCUMENT.value}_{uuid.uuid5(_DOCUMENTS, _join((parent, position))).hex}"


def point_id(document: str) -> str:
    """Qdrant point id (a UUID) of a document id."""
    return str(uuid.UUID(document.removeprefix(f"{Prefix.DOCUMENT.value}_")))


def plugin_id(name: str, version: str) -> str:
    """`my_extractor` at `1.0.0` -> `my_extractor_1_0_0`."""
    return f"{name}_{version.replace('.', '_')}"


def model_id(name: str, version: str) -> str:
    """`my-fine-tuned-bert` at `1.0.0` -> `my-fine-tuned-bert_1_0_0`."""
    return plugin_id(name, version)


def route(name: str, version: str) -> str:
    """`my_extractor` at `1.0.0` is served at `/my_extractor/1_0_0`."""
    return f"/{name}/{version.replace('.', '_')}"


BUILT_IN_VERSION = "v1"
"""Version under which built-in models are served."""


def service_name(model_id: str) -> str:
    """`intfloat/multilingual-e5-large-instruct` is served as `multilingual_e5_large_instruct`."""
    return re.sub(r"[^a-z0-9]+", "_", model_id.rpartition("/")[2].lower())


def model_route(model_id: str) -> str:
    """`sentence-transformers/all-MiniLM-L6-v2` is served at `/all_minilm_l6_v2/v1`."""
    return route(service_name(model_id), BUILT_IN_VERSION)


def identifier(text: str) -> str:
    """`text` as a name that Dagster accepts for ops, graphs and groups."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text) or "_"


def _join(parts: tuple[str, ...]) -> str:
    return "\x1f".join(parts)
