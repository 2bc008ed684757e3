"""The body of a request."""

from __future__ import annotations

from typing import Any

import bentoml
from pydantic import ConfigDict, Field, ValidationError
from starlette.requests import Request

from serving.envelope import Failure


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
            parsed = cls.model_construct(inputs=_refusal(error), parameters={})
        return parsed


def _refusal(error: ValidationError) -> Failure:
    problems = [
        {"type": each["type"], "location": ["body", *map(str, each["loc"])], "message": each["msg"]}
        for each in error.errors(include_url=False, include_input=False)
    ]
    said = "; ".join(f"{'.'.join(problem['location'][1:]) or 'body'}: {problem['message']}" for problem in problems)
    return Failure(422, said, details={"validation_errors": problems})
