"""The one shape of every reply that is not a success."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from starlette.responses import Response

JSON = "application/json"
_TYPES = {
    404: "NotFoundError",
    413: "RequestTooLargeError",
    422: "ValidationError",
    429: "TooManyRequestsError",
    503: "InferenceServiceUnavailableError",
    504: "TimeoutError",
}


@dataclass(frozen=True)
class Failure:
    """Why a request has no answer."""

    status: int
    message: str
    type: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None
    """Seconds after which another try makes sense."""

    def envelope(self) -> dict[str, Any]:
        """The envelope, JSON-ready."""
        default = "InternalServerError" if self.status >= 500 else "BadRequestError"
        error: dict[str, Any] = {"type": self.type or _TYPES.get(self.status, default), "message": self.message}
        if self.details:
            error["details"] = dict(self.details)
        return {"success": False, "status": self.status, "error": error}

    def body(self) -> bytes:
        """The envelope as JSON."""
        return orjson.dumps(self.envelope())

    def response(self) -> Response:
        """The envelope as an HTTP reply."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return Response(self.body(), status_code=self.status, headers=headers, media_type=JSON)


def read_envelope(body: bytes) -> dict[str, Any] | None:
    """The envelope that a reply's body is already, if it is one."""
    try:
        read = orjson.loads(body)
        return read if read["success"] is False and isinstance(read["error"], dict) else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def text_of(status: int, body: bytes) -> str:
    """What a foreign error reply says: its `error`, its text, or the name of its status."""
    try:
        said = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        said = body.decode(errors="replace")
    return str(said).strip() or HTTPStatus(status).phrase
