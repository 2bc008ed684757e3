"""What a bucket's objects hold: fields of JSON records, parts of keys, tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_PART = re.compile(r"\{([^{}]*)\}|\*\*|\*|\?")


class FieldType(StrEnum):
    """What a field holds: content, which becomes a blob, or a value, which becomes a property."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    PDF = "pdf"
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    ARRAY = "array"
    OBJECT = "object"

    @property
    def is_content(self) -> bool:
        """Whether a field of this type is a blob: text itself, or the URL of a file."""
        return self in (FieldType.TEXT, FieldType.IMAGE, FieldType.VIDEO, FieldType.AUDIO, FieldType.PDF)


class SchemaField(BaseModel):
    """A field of a bucket's schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: FieldType
    required: bool = False


def key_regex(pattern: str) -> re.Pattern[str]:
    """A key pattern as a regular expression: `{name}` and `*` hold no slash, `**` does.

    Raises:
        ValueError: a name is no identifier or is there twice.
    """
    pieces, last = [], 0
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    for part in _PART.finditer(pattern):
        pieces.append(re.escape(pattern[last : part.start()]))
        name, last = part.group(1), part.end()
        if name is not None and not name.isidentifier():
            raise ValueError(f"{part.group()} in the key pattern {pattern!r} holds no name; write it as {{customer}}")
        pieces.append(f"(?P<{name}>[^/]+?)" if name is not None else wild[part.group()])
    pieces.append(re.escape(pattern[last:]))
    try:
        return re.compile("".join(pieces), re.DOTALL)
    except re.error as error:
        raise ValueError(f"the key pattern {pattern!r} cannot be read: {error}") from None


def _checked_pattern(pattern: str | None) -> str | None:
    if pattern is not None:
        key_regex(pattern)
    return pattern


class BucketSchema(BaseModel):
    """What is made of a bucket's objects.

    Args:
        properties: fields of JSON records. In a bucket that has any, a `.json` object is a record: its content fields
            are blobs, the others properties of the object. In any other bucket it is a text.
        key_pattern: names parts of the key, which become properties: `{customer}/{year}/**`. Keys that do not match
            have none.
        tags: whether the tags of the objects in S3 become properties; costs a request for each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    properties: dict[str, SchemaField] = Field(default_factory=dict)
    key_pattern: Annotated[str | None, AfterValidator(_checked_pattern)] = None
    tags: bool = False

    @property
    def content_fields(self) -> list[str]:
        """Fields of a record that are blobs."""
        return [name for name, field in self.properties.items() if field.type.is_content]

    def key_parts(self, key: str) -> Mapping[str, str]:
        """What the key pattern names in a key."""
        match = self._regex.fullmatch(key) if self._regex is not None else None
        return match.groupdict() if match else {}

    @cached_property
    def _regex(self) -> re.Pattern[str] | None:
        return key_regex(self.key_pattern) if self.key_pattern is not None else None
