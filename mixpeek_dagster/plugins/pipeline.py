"""Steps of a plugin: the classes its pipeline.py imports, and the steps they are made into."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from mixpeek_dagster.errors import PipelineError

if TYPE_CHECKING:
    import pandas as pd

Processor: TypeAlias = "Callable[[pd.DataFrame], pd.DataFrame | Awaitable[pd.DataFrame]]"


class ResourceType(StrEnum):
    """What a step needs: a core, a GPU, or an API that it calls."""

    CPU = "cpu"
    GPU = "gpu"
    API = "api"


class RowCondition(StrEnum):
    """Which rows a step gets, by MIME type."""

    IS_TEXT = "is_text"
    IS_IMAGE = "is_image"
    IS_VIDEO = "is_video"
    IS_AUDIO = "is_audio"
    IS_PDF = "is_pdf"
    ALWAYS = "always"

    def matches(self, mime_type: str | None) -> bool:
        """Whether a row of this MIME type goes through the step."""
        if self is RowCondition.ALWAYS:
            return True
        if self is RowCondition.IS_PDF:
            return mime_type == "application/pdf"
        return (mime_type or "").startswith(f"{self.value.removeprefix('is_')}/")


@dataclass(frozen=True)
class StepDefinition:
    """A step as a plugin's author writes it.

    Args:
        service_class: class with `__call__(DataFrame) -> DataFrame`; an instance or a function works, too.
        resource_type: where it runs.
        config: handed to the class as it is.
        condition: which rows it gets.
        enabled: False makes it vanish.
    """

    service_class: Any
    resource_type: ResourceType = ResourceType.CPU
    config: Any = None
    condition: RowCondition = RowCondition.ALWAYS
    enabled: bool = True


@dataclass(frozen=True)
class PipelineDefinition:
    """A plugin's steps, in order."""

    name: str
    version: str
    steps: Sequence[StepDefinition] = field(default_factory=tuple)


class AttributeDict(dict[str, Any]):
    """A dict config whose keys also read as attributes, for processors that expect a dataclass."""

    def __getattr__(self, name: str) -> Any:
        """The value under a key.

        Raises:
            AttributeError: there is no such key; names those there are.
        """
        try:
            return self[name]
        except KeyError:
            known = ", ".join(self) or "none"
            raise AttributeError(f"config has no key {name!r}; it has: {known}") from None


@dataclass(frozen=True)
class Step:
    """A step ready to run: one op of the asset graph."""

    name: str
    description: str
    resource: ResourceType
    condition: RowCondition
    config: Any
    target: Any

    def build(self) -> Processor:
        """Make the processor.

        Raises:
            Exception: whatever the processor's constructor raises.
        """
        processor: Processor = self._make() if inspect.isclass(self.target) else self.target
        return processor

    def _make(self) -> Any:
        kind: Any = self.target
        config = AttributeDict(self.config) if type(self.config) is dict else self.config
        parameters = inspect.signature(kind).parameters
        named = "config" in parameters or _takes_any_keyword(parameters)
        if config is not None and named:
            return kind(config=config)
        if config is not None and parameters:
            return kind(config)
        if named and "config" in parameters and parameters["config"].default is inspect.Parameter.empty:
            return kind(config=AttributeDict())
        return kind()


def build_pipeline_steps(pipeline: PipelineDefinition) -> list[Step]:
    """The pipeline's enabled steps, in order.

    Raises:
        PipelineError: a step is not a StepDefinition or cannot be called.
    """
    return name_apart(as_step(step) for step in pipeline.steps if getattr(step, "enabled", True))


def as_step(item: Any) -> Step:
    """Anything that `build_steps` may return, as a step.

    Raises:
        PipelineError: it cannot be called on a DataFrame.
    """
    if isinstance(item, Step):
        return item
    if isinstance(item, StepDefinition):
        resource, condition = ResourceType(item.resource_type), RowCondition(item.condition)
        return _step(item.service_class, resource, condition, item.config)
    return _step(item, ResourceType.CPU, RowCondition.ALWAYS, None)


def name_apart(steps: Iterable[Step]) -> list[Step]:
    """The same steps with names that differ: the second `Embed` becomes `Embed_2`."""
    named: list[Step] = []
    taken: dict[str, int] = {}
    for step in steps:
        taken[step.name] = taken.get(step.name, 0) + 1
        name = step.name if taken[step.name] == 1 else f"{step.name}_{taken[step.name]}"
        named.append(Step(name, step.description, step.resource, step.condition, step.config, step.target))
    return named


def _step(target: Any, resource: ResourceType, condition: RowCondition, config: Any) -> Step:
    kind = target if inspect.isclass(target) or inspect.isroutine(target) else type(target)
    if not _callable(target):
        others = [name for name in ("process", "process_batch", "_process_batch", "run") if hasattr(kind, name)]
        why = f"it has {others[0]}() but no __call__" if others else "it has no __call__"
        raise PipelineError(f"step {kind.__name__!r}", why=why, fix="Give it `def __call__(self, batch)`")
    name = kind.__name__ if kind.__name__ != "<lambda>" else "function"
    paragraph = (inspect.getdoc(kind) or "").split("\n\n")[0]
    return Step(name, " ".join(paragraph.split()), resource, condition, config, target)


def _callable(target: Any) -> bool:
    if inspect.isclass(target):
        return any("__call__" in vars(base) for base in target.__mro__[:-1])
    return callable(target)


def _takes_any_keyword(parameters: Any) -> bool:
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
