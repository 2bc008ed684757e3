"""A collection's parameters against the plugin's parameter_schema."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

# Clients of the original API name the plugin among the parameters.
_DISCRIMINATOR = "extractor_type"
_SECRET_WORDS = frozenset({"secret", "secrets", "password", "passwd", "credential", "credentials", "apikey", "token"})
_SECRET_KEYS = frozenset({"api", "access", "private", "secret", "auth"})
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def schema_problem(schema: Mapping[str, Any]) -> str:
    """Why a schema cannot check anything; empty if it can."""
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        return f"{'.'.join(map(str, error.path)) or 'it'}: {error.message}"
    return ""


def parameter_problems(
    schema: Mapping[str, Any] | None, parameters: Mapping[str, Any], *, partial: bool = False
) -> list[str]:
    """What is wrong with the parameters, each with its field; empty if they fit or there is no schema.

    Args:
        partial: others will be given later, so none is missed.
    """
    if schema is None:
        return []
    import jsonschema
    import referencing
    from referencing.exceptions import Unresolvable

    known = schema.get("properties", {})
    strange = [name for name in parameters if name not in known and name != _DISCRIMINATOR]
    unknown = [f"{name!r} is unknown; known: {', '.join(known) or 'none'}" for name in strange]
    given = {name: value for name, value in parameters.items() if name in known}
    checked = {key: value for key, value in schema.items() if not (partial and key == "required")}
    # An empty registry: a schema's references must not make us fetch what a plugin names.
    validator = jsonschema.Draft202012Validator(checked, registry=referencing.Registry())
    try:
        errors = list(validator.iter_errors(given))
    except Unresolvable as error:
        return [*unknown, f"parameter_schema refers to {error.ref!r}, which is not in it"]
    return unknown + [f"{'.'.join(map(str, error.path)) or 'parameters'}: {error.message}" for error in errors]


def secret_like(name: str) -> bool:
    """Whether a parameter's name says that its value is a secret; `max_tokens` and `tokenizer` do not."""
    words = [word.lower() for word in _WORD.findall(name)]
    pairs = itertools.pairwise(words)
    return bool(_SECRET_WORDS.intersection(words)) or any(b == "key" and a in _SECRET_KEYS for a, b in pairs)
