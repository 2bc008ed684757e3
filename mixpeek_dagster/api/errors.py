"""Errors as replies: one envelope for all of them, and one table from our codes to HTTP."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from mixpeek_dagster.api.log import log_failure
from mixpeek_dagster.errors import ErrorCode, MixpeekError, PluginRejected

_REPLIES: dict[ErrorCode, tuple[int, str]] = {
    ErrorCode.SETTINGS_INVALID: (500, "InternalServerError"),
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
    ErrorCode.SERVING_FAILED: (503, "InferenceServiceUnavailableError"),
    ErrorCode.INTERNAL: (500, "InternalServerError"),
}
_TYPES = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "BadRequestError",
    413: "BadRequestError",
}


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str = Field(description="One sentence for people.", examples=["plugin 'talks_1_0_0': there is none"])
    type: str = Field(description="Kind of error.", examples=["NotFoundError"])
    details: dict[str, Any] = Field(default_factory=dict, description="Code, reason, fix and place, as far as known.")


class ErrorEnvelope(BaseModel):
    """Every reply that is not a success."""

    success: bool = Field(False, description="Always false.")
    status: int = Field(description="HTTP status.", examples=[404])
    error: ErrorDetail


ERROR_REPLIES: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorEnvelope, "description": text}
    for status, text in {
        400: "The request makes no sense here.",
        401: "No API key, or one that is not valid.",
        403: "The API key may not do this.",
        404: "There is no such thing in this organization.",
        409: "It is there already, or in use.",
        413: "The body is too large.",
        422: "A field is missing or wrong.",
        503: "A store does not answer.",
    }.items()
}


def http_status(code: ErrorCode) -> int:
    """The status that an error with this code is answered with."""
    return _REPLIES[code][0]


def reply(status: int, kind: str, message: str, details: dict[str, Any] | None = None) -> JSONResponse:
    """An error as a response."""
    detail = ErrorDetail(message=message, type=kind, details=details or {})
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(
        ErrorEnvelope(success=False, status=status, error=detail).model_dump(mode="json"), status, headers
    )


def install(app: FastAPI) -> None:
    """Make the app answer every error with the envelope."""
    app.add_exception_handler(MixpeekError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, MixpeekError)
    status, kind = _REPLIES[error.code]
    if status == 500:
        log_failure(request, error)
    message = f"{error.what}: {error.why}" if error.why else error.what
    details: dict[str, Any] = error.to_dict()
    if isinstance(error, PluginRejected):
        details |= {"validation_status": "failed", "validation_errors": error.validation_errors}
    return reply(status, kind, message, details)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"type": item["type"], "location": [str(part) for part in item["loc"]], "message": item["msg"]}
        for item in error.errors()
    ]
    first = f": {'.'.join(wrong[0]['location'])}: {wrong[0]['message']}" if wrong else ""
    return reply(
        422, "ValidationError", f"{len(wrong)} fields are missing or wrong{first}", {"validation_errors": wrong}
    )


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    details = {"resource": request.url.path} if error.status_code in (404, 405) else {}
    response = reply(
        error.status_code, _TYPES.get(error.status_code, "InternalServerError"), str(error.detail), details
    )
    response.headers.update(error.headers or {})
    return response


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log_failure(request, error)
    message = "something failed that should not have; the server's log has it under this request's id"
    return reply(500, "InternalServerError", message, {"code": ErrorCode.INTERNAL.value})
