"""The body of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import bentoml
from pydantic import ConfigDict, Field, ValidationError
from starlette.requests import Request

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.http.envelope import Failure


class InferenceRequest(bentoml.IODescriptor):  # type: ignore[misc]
    """`{"inputs": {...}, "parameters": {...}}`; `inputs` holds a Failure instead when the body is wrong.

    It names no inputs: BentoML's clients send only what a schema names, and a plugin may take more than its manifest
    says.
    """

    model_config = ConfigDict(extra="forbid")

    inputs: dict[str, Any]
    parameters: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> InferenceRequest:
        """Read the body as JSON, whatever its content type.

        BentoML itself would answer a wrong body in its own shape, and log a traceback.
        """
        try:
            parsed: InferenceRequest = cls.model_validate_json(await request.body())
        except ValidationError as error:
            parsed = cls.model_construct(inputs=refusal(problems_of(error)), parameters={})
        return parsed


@dataclass(frozen=True)
class Problem:
    """What is wrong with a body.

    Args:
        location: where, such as `("inputs", "images", 3)`.
        message: why.
        type: what kind of problem, in pydantic's words.
    """

    location: tuple[str | int, ...]
    message: str
    type: str = "value_error"

    @classmethod
    def of(cls, location: tuple[str | int, ...], error: MixpeekError) -> Self:
        """An input that led to this error."""
        return cls(location, error.message)


def problems_of(error: ValidationError, *at: str) -> list[Problem]:
    """What pydantic found wrong with what is at a place of the body."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [Problem((*at, *each["loc"]), each["msg"].removeprefix("Value error, "), each["type"]) for each in found]


def refusal(problems: Sequence[Problem]) -> Failure:
    """The envelope that says which field is wrong."""
    listed = [
        {"type": problem.type, "location": ["body", *map(str, problem.location)], "message": problem.message}
        for problem in problems
    ]
    said = "; ".join(f"{'.'.join(map(str, problem.location)) or 'body'}: {problem.message}" for problem in problems)
    return Failure(422, said, details={"validation_errors": listed})
