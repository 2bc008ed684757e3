"""The error envelope in the API's documentation, and when there is one."""

from __future__ import annotations

from typing import Any

from pydantic import GetJsonSchemaHandler, RootModel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from mixpeek_dagster.http.envelope import SCHEMA


class ErrorEnvelope(RootModel[dict[str, Any]]):
    """Every reply that is not a success."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The envelope's own schema."""
        return dict(SCHEMA)


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
