"""A manifest, however it is written, as one frozen `PluginSpec`.

Three ways are read: a `metadata` dict with Pydantic classes as schemas, flat variables with dicts as schemas, and a
`definition` as built-in plugins have it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from mixpeek_dagster.plugins.definition import FeatureExtractorModel
from mixpeek_dagster.plugins.dependencies import dependency_problems
from mixpeek_dagster.plugins.features import read_features
from mixpeek_dagster.plugins.parameters import schema_problem
from mixpeek_dagster.plugins.problems import Problems
from mixpeek_dagster.plugins.spec import Feature, InputField, PluginSpec

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{2,63}")
_VERSION = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?")
_URI = re.compile(r"mixpeek://(?P<name>[^@/]+)@(?P<version>[^/]+)(?:/(?P<feature>.+))?")
_INPUT_TYPES = ("text", "image", "video", "audio", "pdf", "document")
_VECTOR_TYPE = "array"


def is_plugin_name(name: str) -> bool:
    """A letter, then 2 to 63 letters, digits or underscores: it becomes part of ids."""
    return _NAME.fullmatch(name) is not None


def normal_version(version: object) -> str | None:
    """`v1`, `1.0`, `1.0.0` as X.Y.Z; None if it is none of these."""
    match = _VERSION.fullmatch(version.strip()) if isinstance(version, str) else None
    return ".".join(str(int(part or 0)) for part in match.groups()) if match else None


def read_manifest(module: ModuleType, folder: Path, digest: str, problems: Problems) -> PluginSpec | None:
    """The manifest of an imported module; None if something in it must be mended first.

    Args:
        module: the plugin's manifest.py or definition.py, already executed.
        folder: the plugin's folder.
        digest: its `code_hash`.
        problems: gets everything that is wrong or doubtful, with its line.
    """
    values = _values(module, problems)
    metadata = values.get("metadata")
    if metadata is not None and not isinstance(metadata, Mapping):
        kind = type(metadata).__name__
        problems.error("metadata_type", f"`metadata` is a {kind}", "It must be a dict", problems.at.name("metadata"))
        metadata = None
    reader = _Reader(values, metadata or {}, problems)
    name, version = reader.extractor_name(), reader.version()
    features = read_features(values.get("features"), problems)
    outputs = reader.fields("output_schema")
    spec = PluginSpec(
        name=name or "",
        version=version or "",
        description=reader.text("description"),
        category=reader.text("category"),
        features=features,
        input_fields=reader.inputs(),
        output_fields={field: str(schema.get("type", "")) for field, schema in outputs.items()},
        parameter_schema=reader.schema("parameter_schema"),
        supported_input_types=reader.input_types(),
        dependencies=reader.names("dependencies"),
        feature_uri=reader.uri(features),
        position_fields=reader.names("position_fields"),
        code_hash=digest,
        folder=folder,
        has_realtime=(folder / "realtime.py").is_file(),
    )
    _compare_outputs(spec, problems)
    _check_realtime(spec, problems)
    _check_dependencies(spec, problems)
    _check_parameter_schema(spec, problems)
    return None if any(problem.severity == "error" for problem in problems.found) else spec


def _values(module: ModuleType, problems: Problems) -> Mapping[str, Any]:
    values = vars(module)
    definition = values.get("definition")
    if not isinstance(definition, FeatureExtractorModel):
        return values
    for name in definition.not_dense():
        message = f"the vector {name!r} is not dense, and only dense vectors can be written"
        problems.error(
            "vector_type", message, "Leave it out of required_vector_indexes", problems.at.name("definition")
        )
    return definition.as_manifest()


class _Reader:
    """Looks a value up in `metadata` first, then among the flat variables."""

    def __init__(self, values: Mapping[str, Any], metadata: Mapping[str, Any], problems: Problems) -> None:
        self._values = values
        self._metadata = metadata
        self._problems = problems

    def extractor_name(self) -> str | None:
        if "feature_extractor_name" not in self._metadata and "name" in self._metadata:
            place, fix = self._place("name"), "Rename it to 'feature_extractor_name'"
            self._problems.warn("name_key", "metadata has 'name' instead of 'feature_extractor_name'", fix, place)
        name = self._get("feature_extractor_name", self._metadata.get("name"))
        if isinstance(name, str) and is_plugin_name(name):
            return name
        if name is None:
            fix = 'Add feature_extractor_name = "my_extractor"'
            self._problems.error("name_missing", "the manifest has no feature_extractor_name", fix)
            return None
        fix = "It must be 3 to 64 letters, digits and underscores, a letter first"
        place = self._place("feature_extractor_name")
        self._problems.error("name_invalid", f"feature_extractor_name is {name!r}", fix, place)
        return None

    def version(self) -> str | None:
        value = self._get("version")
        if value is None:
            self._problems.error("version_missing", "the manifest has no version", 'Add version = "1.0.0"')
            return None
        version = normal_version(value)
        if version is None:
            fix = "Write it as '1.0.0', '1.0' or 'v1'"
            self._problems.error("version_invalid", f"version is {value!r}", fix, self._place("version"))
        return version

    def text(self, key: str) -> str:
        value = self._get(key)
        if value is None or isinstance(value, str):
            return value or ""
        message = f"{key} is a {type(value).__name__}"
        self._problems.error(f"{key}_type", message, "It must be a text", self._place(key))
        return ""

    def names(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        if value is None:
            return ()
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._problems.error(f"{key}_type", f"{key} is {value!r}", "It must be a list of texts", self._place(key))
        return ()

    def input_types(self) -> tuple[str, ...]:
        types = self.names("supported_input_types")
        unknown = [name for name in types if name not in _INPUT_TYPES]
        if unknown:
            message = f"supported_input_types has the unknown {', '.join(map(repr, unknown))}"
            fix = f"Known types: {', '.join(_INPUT_TYPES)}"
            self._problems.error("input_type_unknown", message, fix, self._place("supported_input_types"))
        return tuple(name for name in types if name in _INPUT_TYPES)

    def uri(self, features: tuple[Feature, ...]) -> str | None:
        uri = self._get("feature_uri")
        if uri is None:
            return None
        match = _URI.fullmatch(uri) if isinstance(uri, str) else None
        place = self._place("feature_uri")
        if match is None:
            fix = "Write it as mixpeek://name@1.0.0/feature_name"
            self._problems.error("feature_uri_invalid", f"feature_uri is {uri!r}", fix, place)
            return None
        feature = match["feature"]
        known = [feature.name for feature in features]
        if feature and known and feature not in known:
            message = f"feature_uri names {feature!r}, which is no feature of this plugin"
            self._problems.warn("feature_uri_unknown", message, f"Features: {', '.join(known)}", place)
        return str(uri)

    def schema(self, key: str) -> Mapping[str, Any] | None:
        """JSON schema of a Pydantic class, or of a dict of fields."""
        value = self._values.get(key, self._metadata.get(key))
        if value is None:
            return None
        if isinstance(value, type) and issubclass(value, BaseModel):
            return self._pydantic_schema(key, value)
        if not isinstance(value, Mapping):
            fix = "It must be a Pydantic class or a dict of fields"
            self._problems.error(f"{key}_type", f"{key} is a {type(value).__name__}", fix, self._place(key))
            return None
        if value.get("type") == "object" and isinstance(value.get("properties"), Mapping):
            return value
        return {"type": "object", "properties": value}

    def fields(self, key: str) -> Mapping[str, Mapping[str, Any]]:
        """A schema's fields, each as a JSON schema."""
        properties = (self.schema(key) or {}).get("properties", {})
        wrong = [name for name, schema in properties.items() if not isinstance(schema, Mapping)]
        for name in wrong:
            place, fix = self._problems.at.key(key, str(name)), 'Write it as {"type": "string"}'
            self._problems.error(f"{key}_field", f"field {name!r} of {key} is {properties[name]!r}", fix, place)
        return {str(name): schema for name, schema in properties.items() if name not in wrong}

    def inputs(self) -> Mapping[str, InputField]:
        schema = self.schema("input_schema") or {}
        required = schema.get("required", [])
        return {
            name: InputField(name, name in required, str(field.get("type", "string")))
            for name, field in self.fields("input_schema").items()
        }

    def _pydantic_schema(self, key: str, model: type[BaseModel]) -> Mapping[str, Any] | None:
        try:
            return model.model_json_schema()
        except PydanticUserError as error:
            message = f"{key} has no JSON schema: {str(error).splitlines()[0]}"
            self._problems.error(f"{key}_schema", message, "Use types that JSON knows", self._place(key))
            return None

    def _get(self, key: str, default: Any = None) -> Any:
        return self._metadata.get(key, self._values.get(key, default))

    def _place(self, key: str) -> tuple[int, int]:
        at = self._problems.at
        return at.key("metadata", key) if key in self._metadata else at.name(key)


def _compare_outputs(spec: PluginSpec, problems: Problems) -> None:
    if not spec.output_fields:
        return
    for index, feature in enumerate(spec.features):
        if feature.name not in spec.output_fields:
            arrays = [name for name, kind in spec.output_fields.items() if kind == _VECTOR_TYPE]
            message = f"feature {feature.name!r} is no field of output_schema ({', '.join(spec.output_fields)})"
            instead = f"; the schema's {arrays[0]!r} is not read" if arrays else ""
            fix = f"The column that processors write must be {feature.name!r}{instead}"
            problems.warn(
                "feature_not_in_output", message, fix, problems.at.item_key("features", index, "feature_name")
            )


def _check_realtime(spec: PluginSpec, problems: Problems) -> None:
    if spec.feature_uri and not spec.has_realtime:
        message = "feature_uri promises realtime inference, but there is no realtime.py"
        fix = "Add realtime.py, or leave feature_uri out"
        problems.warn("feature_uri_without_realtime", message, fix, problems.at.name("feature_uri"))


def _check_dependencies(spec: PluginSpec, problems: Problems) -> None:
    for code, message, fix in dependency_problems(spec.dependencies):
        problems.warn(code, message, fix, problems.at.name("dependencies"))


def _check_parameter_schema(spec: PluginSpec, problems: Problems) -> None:
    if spec.parameter_schema is not None and (reason := schema_problem(spec.parameter_schema)):
        message = f"parameter_schema is no JSON schema: {reason}"
        fix = 'Write fields as {"threshold": {"type": "number"}}'
        problems.error("parameter_schema_invalid", message, fix, problems.at.name("parameter_schema"))
