"""The error that all others derive from, and its way to the other end of a call."""

from __future__ import annotations

from typing import Any, ClassVar

from mixpeek_dagster.errors.codes import ErrorCategory, ErrorCode


class MixpeekError(Exception):
    """An error with what failed, why, where, and what to do about it.

    Args:
        what: the thing and its name, e.g. `collection 'talks'`.
        why: why it cannot be.
        fix: what the user can do; lists what exists where a name is unknown.
        where: `file:line`, a field or a row, if there is such a place.

    A class that knows more names its other attributes, which must be JSON-ready, in `details`.
    """

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL
    category: ClassVar[ErrorCategory] = ErrorCategory.RUNTIME
    retryable: ClassVar[bool] = False
    details: ClassVar[tuple[str, ...]] = ()

    def __init__(self, what: str, *, why: str = "", fix: str = "", where: str = "") -> None:
        self.what = what
        self.why = why
        self.fix = fix
        self.where = where
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"{self.sentence()} [{self.code.value}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.__dict__)

    @property
    def message(self) -> str:
        """What and why, for a reader who is shown the place and the fix beside it."""
        return f"{self.what}: {self.why}" if self.why else self.what

    def sentence(self) -> str:
        """Where, what, why and what to do, for a reader who is shown nothing else."""
        place = f"{self.where}: " if self.where else ""
        remedy = f". {self.fix}" if self.fix else ""
        return f"{place}{self.message}{remedy}"

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-ready fields, those that are empty left out; `from_dict` reads them."""
        fields = {"code": self.code.value, "what": self.what, "why": self.why, "fix": self.fix, "where": self.where}
        return {key: value for key, value in fields.items() if value} | {
            name: getattr(self, name) for name in self.details
        }


def _rebuild(kind: type[MixpeekError], state: dict[str, Any]) -> MixpeekError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    Exception.__init__(error, str(error))
    return error


def from_dict(fields: dict[str, Any]) -> MixpeekError:
    """The error whose `to_dict` gave these fields: of the same class, at the other end of a call.

    A code of a later version, or fields that a class needs and that are not there, give a plain `MixpeekError`.
    """
    kinds = {kind.code.value: kind for kind in all_kinds(MixpeekError)}
    kind = kinds.get(str(fields.get("code")), MixpeekError)
    if not set(kind.details) <= set(fields):
        kind = MixpeekError
    texts = {name: str(fields.get(name, "")) for name in ("why", "fix", "where")}
    what = str(fields.get("what", "the request"))
    return _rebuild(kind, {"what": what, **texts, **{name: fields[name] for name in kind.details}})


def all_kinds(kind: type[MixpeekError]) -> list[type[MixpeekError]]:
    """The class and all below it, each before its own subclasses."""
    return [kind, *(found for child in kind.__subclasses__() for found in all_kinds(child))]
