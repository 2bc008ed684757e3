"""What the server refuses, with the status codes and wording of a Qdrant server."""

from __future__ import annotations

import re
from typing import ClassVar


class ApiError(Exception):
    """A refused request: `status` is the HTTP status, `label` opens the message."""

    status: ClassVar[int] = 400
    label: ClassVar[str] = ""

    def __str__(self) -> str:
        return f"{self.label}{super().__str__()}"


class FormatError(ApiError):
    """The body is no JSON, or not of the shape that the call takes."""

    label = "Format error in JSON body: "


class WrongInput(ApiError):
    """The body is well formed but does not fit the collection."""

    label = "Wrong input: "


class BadRequest(ApiError):
    """The request asks for nothing."""

    label = "Bad request: "


class ValidationFailed(ApiError):
    """A value is out of its range."""

    status = 422
    label = "Validation error in JSON body: "


class Missing(ApiError):
    """A collection or point does not exist."""

    status = 404
    label = "Not found: "


class Conflict(ApiError):
    """The name is taken."""

    status = 409
    label = "Wrong input: "


class NotOffered(ApiError):
    """A Qdrant server can do this, this one cannot."""

    status = 501
    label = "Not implemented by the embedded Qdrant server: "


class EngineFailed(ApiError):
    """The engine failed for a reason that is not the client's."""

    status = 500
    label = "Service internal error: "


_NO_POINT = re.compile(r"^No point with id (\S+)$")
_CLIENT_FAULTS = (
    "Not existing vector name error",
    "Vector dimension error",
    "No range index for `order_by`",
    "No appropriate index for faceting",
    "Validation failed",
)


def from_engine(error: Exception) -> ApiError:
    """The engine raises plain exceptions; tell the client's mistakes from its own failures by their text."""
    text = str(error)
    if missing := _NO_POINT.match(text):
        return Missing(f"No point with id {missing[1]} found")
    if "Shard is not initialized" in text:
        return Missing("the collection was deleted while this request ran")
    if text.startswith(_CLIENT_FAULTS):
        return WrongInput(text.removeprefix("Validation failed: "))
    return EngineFailed(text)
