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

    def body(self) -> bytes:
        """The envelope as JSON."""
        default = "InternalServerError" if self.status >= 500 else "BadRequestError"
        error: dict[str, Any] = {"type": self.type or _TYPES.get(self.status, default), "message": self.message}
        if self.details:
            error["details"] = dict(self.details)
        return orjson.dumps({"success": False, "status": self.status, "error": error})

    def response(self) -> Response:
        """The envelope as an HTTP reply."""
        return Response(self.body(), status_code=self.status, media_type=JSON)


def is_envelope(body: bytes) -> bool:
    """Whether a reply's body is an envelope already."""
    try:
        return orjson.loads(body).get("success") is False
    except (orjson.JSONDecodeError, AttributeError):
        return False


def text_of(status: int, body: bytes) -> str:
    """What a foreign error reply says: its `error`, its text, or the name of its status."""
    try:
        said = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        said = body.decode(errors="replace")
    return str(said).strip() or HTTPStatus(status).phrase
