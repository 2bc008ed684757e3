"""What endpoints take and give, in OpenAPI's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixpeek_dagster.http.envelope import JSON, SCHEMA
from mixpeek_dagster.plugins.spec import Feature, PluginSpec
from serving.http.reply import PRIMARY

if TYPE_CHECKING:
    from mixpeek_dagster.inference.realtime import RealtimeService

_SAMPLES = {"string": "hello world", "integer": 1, "number": 0.5, "boolean": True, "array": [], "object": {}}
_ERRORS = {
    413: "The body, or a file that it names, is too large",
    422: "The body is not what the endpoint takes",
    429: "Too much waits already; Retry-After tells when to come again",
    500: "The plugin raised, or its reply is not what its manifest promises",
    503: "It could not be loaded, or is not loaded yet",
    504: "It took too long",
}


def operation(about: str, request: dict[str, Any], reply: dict[str, Any], replied: str) -> dict[str, Any]:
    """Description, request and replies of an endpoint.

    Args:
        about: description, Markdown.
        request: schema of the body.
        reply: schema of the reply.
        replied: what the reply is.
    """
    errors = {status: {"description": text, **_content(SCHEMA)} for status, text in _ERRORS.items()}
    return {
        "description": about,
        "requestBody": {"required": True, **_content(request)},
        "responses": {200: {"description": replied, **_content(reply)}, **errors},
    }


def plugin_operation(spec: PluginSpec) -> dict[str, Any]:
    """Description, request and replies of a plugin's endpoint."""
    vectors = ", ".join(f"`{feature.name}` ({feature.dimension}, {feature.distance})" for feature in spec.features)
    about = [spec.description, f"Plugin `{spec.name}` {spec.version}.", f"Vectors: {vectors}." if vectors else ""]
    described = "\n\n".join(line for line in about if line)
    return operation(described, _request(spec), _reply(spec), "What the plugin replied")


def model_operation(service: RealtimeService[Any]) -> dict[str, Any]:
    """Description, request and replies of a built-in model's endpoint."""
    inputs, parameters = (_plain(fields.model_json_schema()) for fields in (service.Inputs, service.Parameters))
    size = f" Vectors have {service.model.dimension:,} numbers." if service.model.dimension else ""
    request = {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": inputs, "parameters": parameters},
        "additionalProperties": False,
        "example": {"inputs": dict(service.example), "parameters": {}},
    }
    about = f"{type(service).__doc__}\n\nModel `{service.model.model_id}`.{size}"
    return operation(about, request, service.reply_schema(), service.replied)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of pydantic without titles and without alternatives to being left out."""
    fields = {}
    for name, field in schema.get("properties", {}).items():
        told, *_ = (each for each in field.get("anyOf", [field]) if each.get("type") != "null")
        kept = {"description": field["description"], **told}
        if field.get("default") is not None:
            kept["default"] = field["default"]
        fields[name] = {key: value for key, value in kept.items() if key != "title"}
    required = {"required": schema["required"]} if "required" in schema else {}
    return {"type": "object", "properties": fields, "additionalProperties": False, **required}


def _request(spec: PluginSpec) -> dict[str, Any]:
    """Named inputs and an example.

    The manifest's inputs are shown, not enforced: a realtime.py may take other inputs than the batch does, such as a
    text that searches images.
    """
    types = {name: field.type if field.type in _SAMPLES else "string" for name, field in spec.input_fields.items()}
    types = types or {"text": "string"}
    named = {name: _field(kind) for name, kind in types.items()}
    if spec.features:
        named["vector_index"] = {"type": "string", "enum": [feature.name for feature in spec.features]}
    inputs = {"type": "object", "description": "What to work on", "properties": named, "additionalProperties": True}
    parameters = {"type": "object", "description": "Options of the plugin", "additionalProperties": True}
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {"inputs": inputs, "parameters": parameters},
        "additionalProperties": False,
        "example": {"inputs": {name: _SAMPLES[kind] for name, kind in types.items()}, "parameters": {}},
    }


def _reply(spec: PluginSpec) -> dict[str, Any]:
    fields = {name: _field(kind) for name, kind in spec.output_fields.items() if kind in _SAMPLES}
    fields |= {feature.name: _vector(feature) for feature in spec.features if feature.name in fields}
    if spec.features:
        fields[PRIMARY] = _vector(spec.features[0])
    return {"type": "object", "properties": fields, "additionalProperties": True}


def _field(kind: str) -> dict[str, Any]:
    return {"type": kind, "items": {}} if kind == "array" else {"type": kind}


def _vector(feature: Feature) -> dict[str, Any]:
    size = feature.dimension
    return {"type": "array", "items": {"type": "number"}, "minItems": size, "maxItems": size}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {JSON: {"schema": schema}}}
