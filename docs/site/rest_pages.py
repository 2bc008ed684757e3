"""The REST API, a page for each tag of its OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from docs.site.markdown import code, page, table
from mixpeek_dagster.api.app import create_app
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores

_ERRORS = 400


def rest_pages() -> dict[str, str]:
    """Markdown by tag, in the order of the document."""
    document = openapi()
    tags = dict.fromkeys(operation["tags"][0] for _, _, operation in operations(document))
    return {tag: _page(tag, document) for tag in tags}


def openapi() -> dict[str, Any]:
    """The API's description of itself. No request is answered, so the app gets no stores."""
    return create_app(cast(Stores, None), Settings()).openapi()


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each route."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _page(tag: str, document: Mapping[str, Any]) -> str:
    mine = [found for found in operations(document) if found[2]["tags"][0] == tag]
    sections = [_section(*found) for found in mine]
    models = _named(document, (operation for _, _, operation in mine))
    types = [_type(name, document["components"]["schemas"][name]) for name in models]
    return page(
        tag.capitalize(),
        "Keys, tenants and errors are as [the guide](../../api.md) says; `/openapi.json` of a running API is the same "
        "for programs.",
        *sections,
        "## Types" if types else "",
        *types,
    )


def _section(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"## {operation['summary']}", f"```http\n{method} {path}\n```", operation.get("description", "")]
    if not operation.get("security"):
        parts.append("Needs no key.")
    if rows := [_parameter(parameter) for parameter in operation.get("parameters", ())]:
        parts.append(table(("parameter", "in", "type", "what it is for"), rows))
    if body := operation.get("requestBody"):
        ((kind, content),) = body["content"].items()
        must = "" if body.get("required") else ", which may be left out"
        parts.append(f"**Body**{must}: {_kind(content['schema'])} as `{kind}`.")
    parts.append(table(("status", "reply"), _replies(operation["responses"])))
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, ...]:
    name = code(parameter["name"]) + (" (required)" if parameter["required"] else "")
    return name, parameter["in"], _kind(parameter["schema"]), _text(parameter["schema"], parameter)


def _replies(responses: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    errors = [status for status in responses if int(status) >= _ERRORS]
    for status, reply in responses.items():
        if status not in errors:
            content = reply.get("content", {}).get("application/json")
            yield status, _kind(content["schema"]) if content and content["schema"] else "nothing"
    yield ", ".join(sorted(errors)), "[an error](../../api.md#errors)"


def _named(document: Mapping[str, Any], found: Iterator[Any]) -> list[str]:
    """Names of the types that are meant, and of those that these mean, errors left out."""
    names: dict[str, None] = {}
    waiting = [
        {
            "body": operation.get("requestBody"),
            "replies": [r for s, r in operation["responses"].items() if int(s) < _ERRORS],
        }
        for operation in found
    ]
    while waiting:
        for name in re.findall(r"#/components/schemas/([\w.-]+)", str(waiting.pop(0))):
            if name not in names:
                names[name] = None
                waiting.append(document["components"]["schemas"][name])
    return sorted(names)


def _type(name: str, schema: Mapping[str, Any]) -> str:
    parts = [f"### {name}", schema.get("description", "")]
    if "enum" in schema:
        parts.append("One of " + ", ".join(code(str(value)) for value in schema["enum"]) + ".")
    if fields := schema.get("properties"):
        required = schema.get("required", ())
        rows = [
            (code(field) + (" (required)" if field in required else ""), _kind(inner), _text(inner))
            for field, inner in fields.items()
        ]
        told = 3 if any(text for _, _, text in rows) else 2
        parts.append(table(("field", "type", "what it is for")[:told], [row[:told] for row in rows]))
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _kind(schema: Mapping[str, Any]) -> str:
    """A type in words, with links to those of this page."""
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if inner := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return " or ".join(dict.fromkeys(_kind(part) for part in inner if part.get("type") != "null"))
    if "enum" in schema or "const" in schema:
        return " or ".join(code(str(value)) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping) and values:
        return f"object of {_kind(values)}"
    return str(schema.get("format") or schema.get("type") or "anything")


def _text(schema: Mapping[str, Any], around: Mapping[str, Any] | None = None) -> str:
    text = schema.get("description") or (around or {}).get("description") or ""
    default = schema.get("default")
    return f"{text} Default: {code(str(default))}." if default not in (None, "", [], {}) else text
