"""What a plugin's `build_steps` is called with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mixpeek_dagster.errors import SettingsError


@dataclass(frozen=True)
class ExtractorConfig:
    """The collection's choice of plugin and its parameters."""

    feature_extractor_name: str = ""
    version: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExtractorRequest:
    """Who asks for which steps: `extractor_config.parameters` and, the same, `params`."""

    extractor_config: ExtractorConfig
    collection_id: str = ""
    namespace_id: str = ""

    @classmethod
    def of(
        cls,
        *,
        parameters: dict[str, Any],
        feature_extractor_name: str = "",
        version: str = "",
        collection_id: str = "",
        namespace_id: str = "",
    ) -> ExtractorRequest:
        config = ExtractorConfig(feature_extractor_name, version, parameters)
        return cls(config, collection_id, namespace_id)

    @property
    def params(self) -> dict[str, Any]:
        """Short for `extractor_config.parameters`."""
        return self.extractor_config.parameters

    @property
    def feature_extractor_name(self) -> str:
        """Short for `extractor_config.feature_extractor_name`."""
        return self.extractor_config.feature_extractor_name

    @property
    def version(self) -> str:
        """Short for `extractor_config.version`."""
        return self.extractor_config.version


class Unconfigured:
    """A service that this installation has not configured; it may be handed around, but not called."""

    def __init__(self, name: str, fix: str) -> None:
        self._name = name
        self._fix = fix

    def __getattr__(self, method: str) -> Any:
        """Raise when a plugin uses the service.

        Raises:
            SettingsError: always, with what to configure.
        """
        if method.startswith("__"):
            raise AttributeError(method)
        raise SettingsError(f"container.{self._name}.{method}", why="it is not configured here", fix=self._fix)

    def __reduce__(self) -> tuple[type[Unconfigured], tuple[str, str]]:
        return Unconfigured, (self._name, self._fix)


@dataclass(frozen=True)
class Container:
    """Services of the platform that a plugin may hand to its processors."""

    llm: Any = field(default_factory=lambda: Unconfigured("llm", "Call the provider from the processor instead"))
    secrets: Any = field(default_factory=lambda: Unconfigured("secrets", "Read it from os.environ instead"))
