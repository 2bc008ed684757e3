"""JSON objects as records: what a bucket's schema makes of their fields."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.bucket_schema import BucketSchema, FieldType, SchemaField
from mixpeek_dagster.catalog.records import Blob, Bucket, Object
from mixpeek_dagster.ingest.mime import detect_mime

_RECORD = "application/json"
_SCHEMES = ("s3", "http", "https")
_TYPICAL = {"image": "image/*", "video": "video/*", "audio": "audio/*", "pdf": "application/pdf"}


@dataclass(frozen=True)
class BlobRow:
    """A blob as it was found.

    Args:
        data: the text, or the URL; None if the record has no such field.
        properties: of the whole object.
        error: why it cannot be used.
    """

    blob: Blob
    data: str | None
    properties: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


class _Unusable(ValueError):
    """A field that does not hold what the schema says."""


def is_record(schema: BucketSchema | None, blob: Blob) -> bool:
    """Whether an object's content is a record of its bucket's schema."""
    return schema is not None and bool(schema.properties) and blob.mime_type == _RECORD


def possible_blobs(bucket: Bucket, item: Object) -> list[str]:
    """Ids of all blobs that an object may have or have had: its own, and those of a record's fields."""
    own = [blob.blob_id for blob in item.blobs]
    schema = bucket.bucket_schema
    if schema is None or not any(is_record(schema, blob) for blob in item.blobs):
        return own
    return own + [ids.blob_id(item.object_id, name) for name in schema.content_fields]


def read_record(bucket: Bucket, item: Object, whole: Blob, content: bytes) -> Iterator[BlobRow]:
    """A record's blobs; the whole object with the reason if it is no record.

    Fields that are not there are pieces without data, so that documents of an earlier version can go.
    """
    schema = bucket.bucket_schema or BucketSchema()
    try:
        record = _parse(content)
        properties = dict(_properties(schema, record))
    except _Unusable as problem:
        yield BlobRow(whole, "", error=f"{item.key}: {problem}")
        return
    for name in schema.content_fields:
        value, wanted = record.get(name), schema.properties[name]
        try:
            data, error = _content(bucket, name, wanted, value), None
        except _Unusable as problem:
            data, error = "", f"{item.key}: {problem}"
        yield BlobRow(_blob(item, whole, name, wanted.type, value, data), data, properties, error)


def typed(schema: BucketSchema, values: Mapping[str, str]) -> tuple[dict[str, Any], str | None]:
    """Texts of key parts or tags as what the schema says of fields of their names, and what is wrong with one."""
    found: dict[str, Any] = {}
    problem = None
    for name, text in values.items():
        wanted = schema.properties.get(name)
        try:
            found[name] = _READ_TEXT[wanted.type](text) if wanted and wanted.type in _READ_TEXT else text
        except ValueError:
            found[name] = text
            problem = f"{name} is {text!r}, which is no {wanted.type if wanted else 'text'}"
    return found, problem


def _parse(content: bytes) -> dict[str, Any]:
    try:
        record = json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise _Unusable(f"line {error.lineno} column {error.colno}: it is no JSON: {error.msg}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise _Unusable(f"it is no JSON: {error}") from None
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise _Unusable(f"it holds a {kind}, not an object; the bucket's schema wants one record for each object")
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _Unusable(f"it holds half a character: {error.object[error.start]!r}") from None
    return record


def _properties(schema: BucketSchema, record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, wanted in schema.properties.items():
        value = record.get(name)
        if value is None:
            if wanted.required and not wanted.type.is_content:
                raise _Unusable(f"the required field {name!r} is not there")
        elif not wanted.type.is_content:
            if not _FITS[wanted.type](value):
                raise _Unusable(f"field {name!r} is {_shown(value)}, which is no {wanted.type}")
            yield name, value


def _content(bucket: Bucket, name: str, wanted: SchemaField, value: Any) -> str | None:
    """The text, or the URL; None for a field that is not there and need not be."""
    if value in (None, ""):
        if wanted.required:
            raise _Unusable(f"the required field {name!r} is not there")
        return None
    if not isinstance(value, str):
        raise _Unusable(f"field {name!r} is {_shown(value)}, which is no {_expected(wanted.type)}")
    if wanted.type is FieldType.TEXT:
        return value
    scheme = urlsplit(value).scheme
    if scheme == "s3" and not value.startswith(bucket.location):
        # Who writes records is not thereby one who may read all that the installation's key can.
        raise _Unusable(f"field {name!r} is {_shown(value)}, which is not under {bucket.location}")
    return value if scheme in _SCHEMES else bucket.url(value)


def _blob(item: Object, whole: Blob, name: str, kind: FieldType, value: Any, data: str | None) -> Blob:
    """A text is a version of its own; a file behind a URL may change with the record."""
    is_text = kind is FieldType.TEXT
    return Blob(
        blob_id=ids.blob_id(item.object_id, name),
        property=name,
        type=kind.value,
        url=whole.url,
        mime_type="text/plain" if is_text else _mime_type(kind, data),
        size_bytes=len((data or "").encode()) if is_text else 0,
        etag=whole.etag,
        content_hash=_hash(value, "" if is_text else whole.etag),
    )


def _mime_type(kind: FieldType, data: str | None) -> str:
    by_name = detect_mime(urlsplit(data or "").path, b"\0")
    return by_name if by_name.partition("/")[0] == kind.value else _TYPICAL[kind.value]


def _hash(value: Any, version: str) -> str:
    return hashlib.sha256(f"{version}\0{value}".encode()).hexdigest()


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _expected(kind: FieldType) -> str:
    return "text" if kind is FieldType.TEXT else f"URL or key of a file ({kind})"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_datetime(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


_FITS: Mapping[FieldType, Callable[[Any], bool]] = {
    FieldType.STRING: lambda value: isinstance(value, str),
    FieldType.INTEGER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    FieldType.NUMBER: _is_number,
    FieldType.BOOLEAN: lambda value: isinstance(value, bool),
    FieldType.DATETIME: _is_datetime,
    FieldType.ARRAY: lambda value: isinstance(value, list),
    FieldType.OBJECT: lambda value: isinstance(value, dict),
}
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError(text)
    return _TRUTH[text.lower()]


_READ_TEXT: Mapping[FieldType, Callable[[str], Any]] = {
    FieldType.INTEGER: int,
    FieldType.NUMBER: float,
    FieldType.BOOLEAN: _truth,
}
