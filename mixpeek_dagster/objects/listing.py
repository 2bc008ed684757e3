"""What S3 tells of objects without their content."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ListedPage:
    """A page of a listing.

    Args:
        items: key, etag without quotes and size in bytes of each object.
        token: continues the listing; None on its last page.
    """

    items: list[tuple[str, str, int]]
    token: str | None


@dataclass(frozen=True)
class Head:
    """What S3 knows of an object without its content.

    Args:
        size: in bytes.
        etag: names the version of its content, without quotes.
        content_type: empty if the writer said none.
        metadata: the writer's own, `x-amz-meta-...`, by lower-case name.
    """

    size: int
    etag: str
    content_type: str
    metadata: dict[str, str]
