"""The body of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bentoml
from pydantic import ConfigDict, Field, ValidationError
from starlette.requests import Request

from mixpeek_dagster.http.envelope import Failure
from mixpeek_dagster.inference.invalid import InvalidField


class RequestBody(bentoml.IODescriptor):  # type: ignore[misc]
    """`{"inputs": {...}, "parameters": {...}}`; `inputs` holds a Failure instead when the body is wrong.

    It names no inputs: BentoML's clients send only what a schema names, and a plugin may take more than its manifest
    says.
    """

    model_config = ConfigDict(extra="forbid")

    inputs: dict[str, Any]
    parameters: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> RequestBody:
        """Read the body as JSON, whatever its content type.

        BentoML itself would answer a wrong body in its own shape, and log a traceback.
        """
        try:
            parsed: RequestBody = cls.model_validate_json(await request.body())
        except ValidationError as error:
            parsed = cls.model_construct(inputs=refusal(invalid_fields(error)), parameters={})
        return parsed


def invalid_fields(error: ValidationError, *at: str) -> list[InvalidField]:
    """What pydantic found wrong with what is at a place of the body."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [
        InvalidField((*at, *each["loc"]), each["msg"].removeprefix("Value error, "), each["type"]) for each in found
    ]


def refusal(fields: Sequence[InvalidField]) -> Failure:
    """The envelope that says which field is wrong."""
    listed = [
        {"type": field.type, "location": ["body", *map(str, field.location)], "message": field.message}
        for field in fields
    ]
    said = "; ".join(f"{'.'.join(map(str, field.location)) or 'body'}: {field.message}" for field in fields)
    return Failure(422, said, details={"validation_errors": listed})
