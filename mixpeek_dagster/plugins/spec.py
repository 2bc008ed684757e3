"""What a plugin says of itself, read once from its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from mixpeek_dagster import ids


class Distance(StrEnum):
    """How vectors are compared; the values are Qdrant's."""

    COSINE = "Cosine"
    EUCLID = "Euclid"
    DOT = "Dot"
    MANHATTAN = "Manhattan"


@dataclass(frozen=True)
class Feature:
    """One named vector."""

    name: str
    dimension: int
    distance: Distance


@dataclass(frozen=True)
class InputField:
    """A field that the plugin wants as a column."""

    name: str
    required: bool
    type: str


@dataclass(frozen=True)
class Problem:
    """Something wrong with a plugin, and where."""

    severity: Literal["error", "warning"]
    code: str
    message: str
    fix: str
    file: str
    line: int = 1
    column: int = 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def relative_to(self, folder: Path) -> Problem:
        """The problem with paths as they are inside the plugin's folder."""
        path = Path(self.file)
        file = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else self.file
        message, fix = (text.replace(f"{folder}/", "") for text in (self.message, self.fix))
        return replace(self, message=message, fix=fix, file=file)

    def __str__(self) -> str:
        remedy = f". {self.fix}" if self.fix else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{remedy} [{self.code}]"


@dataclass(frozen=True)
class PluginSpec:
    """A plugin's manifest, whichever way it was written."""

    name: str
    version: str
    description: str
    category: str
    features: tuple[Feature, ...]
    input_fields: Mapping[str, InputField]
    output_fields: Mapping[str, str]
    parameter_schema: Mapping[str, Any] | None
    supported_input_types: tuple[str, ...]
    dependencies: tuple[str, ...]
    feature_uri: str | None
    position_fields: tuple[str, ...]
    code_hash: str
    folder: Path
    has_realtime: bool
    warnings: tuple[Problem, ...] = field(default_factory=tuple)

    @property
    def plugin_id(self) -> str:
        """`my_extractor` at `1.0.0` is `my_extractor_1_0_0`."""
        return ids.plugin_id(self.name, self.version)

    @property
    def route(self) -> str:
        """Where its realtime.py is served: `/my_extractor/1_0_0`."""
        return ids.route(self.name, self.version)
