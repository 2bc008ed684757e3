"""Errors as replies: what the routes' framework and our own code raise, in the one envelope."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.http.envelope import Failure
from mixpeek_dagster.http.logs import log_failure


def install(app: FastAPI) -> None:
    """Make the app answer every error with the envelope."""
    app.add_exception_handler(MixpeekError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, MixpeekError)
    failure = Failure.of(error)
    if failure.status == 500:
        log_failure(request.scope, error)
    return failure.response()


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"type": item["type"], "location": [str(part) for part in item["loc"]], "message": item["msg"]}
        for item in error.errors()
    ]
    first = f": {'.'.join(wrong[0]['location'])}: {wrong[0]['message']}" if wrong else ""
    message = f"{len(wrong)} fields are missing or wrong{first}"
    return Failure(422, message, details={"validation_errors": wrong}).response()


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {"resource": request.url.path} if error.status_code in (404, 405) else {}
    response = Failure(error.status_code, str(error.detail), details=details).response()
    response.headers.update(error.headers or {})
    return response
