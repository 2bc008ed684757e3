"""Every setting: its variable, what it may be, and what it is without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from docs.site.markdown import code, page, table
from mixpeek_dagster.settings import ProviderLimits, Settings

_PREFIX = str(Settings.model_config["env_prefix"])
_KINDS: dict[type, str] = {
    str: "text",
    SecretStr: "text, kept out of logs",
    Path: "folder",
    bool: "true or false",
    int: "integer",
    float: "number",
}
_UNITS = ((2**30, "GiB"), (2**20, "MiB"))


def settings_page() -> str:
    """The page."""
    return page(
        "Settings",
        "Every setting is an environment variable; files of variables are not read. A store whose URL is not set is "
        f"embedded. `mixpeek doctor` says what is set. There are {len(Settings.model_fields)}:",
        table(("variable", "type", "default", "what it is for"), _rows(Settings, _PREFIX)),
        "## Limits of a provider",
        "`MIXPEEK_API_LIMITS` is a JSON object. Its keys are names of providers, and `default` for those that are not "
        "named; its values are objects of these ([how they work](../operating.md#apis-of-providers)):",
        table(("key", "type", "default", "what it is for"), _rows(ProviderLimits, "")),
    )


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper() if prefix else name
        yield code(variable), _kind(field), _default(field, name), field.description or ""


def _kind(field: FieldInfo) -> str:
    kinds = [_KINDS.get(kind, "JSON object") for kind in _types(field.annotation)]
    limits = [_limit(limit) for limit in field.metadata if isinstance(limit, Ge | Gt | Le)]
    return ", ".join([" or ".join(dict.fromkeys(kinds)), *limits])


def _types(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is dict:
        return [dict]
    inner = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        inner = inner[:1]
    elif origin is not Union and not inner:
        return [annotation] if annotation is not NoneType else []
    return [kind for part in inner for kind in _types(part)]


def _limit(limit: Ge | Gt | Le) -> str:
    match limit:
        case Ge():
            return f"at least {limit.ge}"
        case Gt():
            return f"above {limit.gt}"
        case Le():
            return f"at most {limit.le}"


def _default(field: FieldInfo, name: str) -> str:
    value = field.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    if name.endswith("_bytes"):
        size, unit = next((size, unit) for size, unit in _UNITS if value % size == 0)
        return f"{code(str(value))} ({value // size} {unit})"
    return code(str(value))
