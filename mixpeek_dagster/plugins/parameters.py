"""A collection's parameters against the plugin's parameter_schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema

# Clients of the original API name the plugin among the parameters.
_DISCRIMINATOR = "extractor_type"


def parameter_problems(schema: Mapping[str, Any] | None, parameters: Mapping[str, Any]) -> list[str]:
    """What is wrong with the parameters, each with its field; empty if they fit or there is no schema."""
    if schema is None:
        return []
    known = schema.get("properties", {})
    strange = [name for name in parameters if name not in known and name != _DISCRIMINATOR]
    unknown = [f"{name!r} is unknown; known: {', '.join(known) or 'none'}" for name in strange]
    given = {name: value for name, value in parameters.items() if name in known}
    errors = jsonschema.Draft202012Validator(dict(schema)).iter_errors(given)
    return unknown + [f"{'.'.join(map(str, error.path)) or 'parameters'}: {error.message}" for error in errors]
