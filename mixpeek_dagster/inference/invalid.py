"""What is wrong with a request, in words that an answer can carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mixpeek_dagster.errors import MixpeekError


@dataclass(frozen=True)
class InvalidField:
    """What is wrong with one field of a request.

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
        return cls(location, ": ".join(filter(None, (error.what, error.why))))


class InvalidInput(Exception):
    """Inputs that break the schema or cannot be read; one field per problem."""

    def __init__(self, *fields: InvalidField) -> None:
        super().__init__(*fields)
        self.fields = fields
