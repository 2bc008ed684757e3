"""The one shape of every reply that is not a success: made of our errors, and read back into them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import orjson

from mixpeek_dagster.errors import ErrorCode, InvalidRequest, MixpeekError, from_dict

if TYPE_CHECKING:
    from starlette.responses import Response

JSON = "application/json"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "ErrorEnvelope",
    "description": "Every reply that is not a success.",
    "required": ["success", "status", "error"],
    "properties": {
        "success": {"type": "boolean", "enum": [False]},
        "status": {"type": "integer", "description": "HTTP status.", "example": 404},
        "error": {
            "type": "object",
            "required": ["type", "message", "details"],
            "properties": {
                "type": {"type": "string", "description": "Kind of error.", "example": "NotFoundError"},
                "message": {"type": "string", "description": "One sentence for people."},
                "details": {
                    "type": "object",
                    "description": "The request's id; code, reason, fix and place, as far as known.",
                    "additionalProperties": True,
                },
            },
        },
    },
}
"""The envelope in the words of JSON Schema."""
_REPLIES: Mapping[ErrorCode, tuple[int, str]] = {
    ErrorCode.SETTINGS_INVALID: (500, "InternalServerError"),
    ErrorCode.EXTRA_NOT_INSTALLED: (503, "UnavailableError"),
    ErrorCode.PLUGIN_INVALID: (400, "BadRequestError"),
    ErrorCode.MANIFEST_INVALID: (400, "BadRequestError"),
    ErrorCode.PLUGIN_LOAD_FAILED: (400, "BadRequestError"),
    ErrorCode.PIPELINE_INVALID: (400, "BadRequestError"),
    ErrorCode.ARCHIVE_INVALID: (400, "BadRequestError"),
    ErrorCode.PLUGIN_REJECTED: (400, "BadRequestError"),
    ErrorCode.STEP_FAILED: (500, "ProcessingError"),
    ErrorCode.OUT_OF_MEMORY: (500, "ProcessingError"),
    ErrorCode.STORE_ERROR: (500, "StorageError"),
    ErrorCode.STORE_UNAVAILABLE: (503, "UnavailableError"),
    ErrorCode.STORE_IN_USE: (503, "UnavailableError"),
    ErrorCode.STORE_NOT_INSTALLED: (503, "UnavailableError"),
    ErrorCode.SCHEMA_TOO_NEW: (503, "UnavailableError"),
    ErrorCode.NOT_FOUND: (404, "NotFoundError"),
    ErrorCode.MODEL_NOT_FOUND: (404, "NotFoundError"),
    ErrorCode.ALREADY_EXISTS: (409, "AlreadyExistsError"),
    ErrorCode.IN_USE: (409, "ConflictError"),
    ErrorCode.INVALID_REQUEST: (400, "BadRequestError"),
    ErrorCode.UNAUTHORIZED: (401, "UnauthorizedError"),
    ErrorCode.FORBIDDEN: (403, "ForbiddenError"),
    ErrorCode.VECTOR_CLASH: (409, "ConflictError"),
    ErrorCode.INDEX_WRITE_FAILED: (500, "QdrantError"),
    ErrorCode.INDEX_UNAVAILABLE: (503, "UnavailableError"),
    ErrorCode.SERVING_FAILED: (503, "InferenceServiceUnavailableError"),
    ErrorCode.INTERNAL: (500, "InternalServerError"),
}
_TYPES: Mapping[int, str] = {
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "ValidationError",
    429: "TooManyRequestsError",
    503: "InferenceServiceUnavailableError",
    504: "TimeoutError",
}
_LONGEST_TEXT = 500
_Kind = type[MixpeekError]


@dataclass(frozen=True)
class Failure:
    """Why a request has no answer.

    Args:
        status: of HTTP.
        message: one sentence for people.
        type: kind of error; the status's own if it is left out.
        details: JSON-ready.
        retry_after: seconds after which another try makes sense.
    """

    status: int
    message: str
    type: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None

    @classmethod
    def of(cls, error: MixpeekError) -> Self:
        """An error of ours; what to do about it is in the details."""
        status, kind = _REPLIES[error.code]
        return cls(status, error.message, kind, error.to_dict())

    def error(self, what: str, kind: _Kind) -> MixpeekError:
        """It as an error of ours: the one that it was made of; if it was made of none, one of this kind."""
        if "code" in self.details and "what" in self.details:
            return from_dict(dict(self.details))
        if self.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return InvalidRequest(what, why=self.message)
        return kind(what, why=f"HTTP {self.status}: {self.error_type}: {self.message}")

    @property
    def error_type(self) -> str:
        """`type`, or what the status stands for."""
        default = "InternalServerError" if self.status >= 500 else "BadRequestError"
        return self.type or _TYPES.get(self.status, default)

    def envelope(self) -> dict[str, Any]:
        """The envelope, JSON-ready."""
        error = {"type": self.error_type, "message": self.message, "details": dict(self.details)}
        return {"success": False, "status": self.status, "error": error}

    def response(self) -> Response:
        """The envelope as an HTTP reply."""
        # Here, since a command that only reads envelopes need not load a server.
        from starlette.responses import Response

        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return Response(orjson.dumps(self.envelope()), self.status, headers, JSON)


def http_status(code: ErrorCode) -> int:
    """The status that an error with this code is answered with."""
    return _REPLIES[code][0]


def read_failure(status: int, body: bytes) -> Failure | None:
    """What a reply's envelope says; None if its body is no envelope."""
    try:
        read = orjson.loads(body)
        if read["success"] is not False:
            return None
        error = read["error"]
        kind, message, details = str(error["type"]), str(error["message"]), error.get("details")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    return Failure(status, message, kind, details if isinstance(details, dict) else {})


def text_of(status: int, body: bytes) -> str:
    """What an error reply that is no envelope says: its `error`, its text, or the name of its status."""
    try:
        said = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        said = body.decode(errors="replace")
    return str(said).strip()[:_LONGEST_TEXT] or _phrase(status)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status {status}"
