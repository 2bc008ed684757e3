"""What built-in batch services have in common: a model, a config, and columns in and out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.inference.devices import Device, choose_device
from mixpeek_dagster.models.loading import LoadedModel, ModelRequest, load_model
from mixpeek_dagster.plugins.services import BaseBatchInferenceService
from mixpeek_dagster.rows.missing import is_missing


@dataclass(frozen=True)
class ServedModel:
    """A model that a service is for.

    Args:
        model_id: `org/name`, the service's id.
        kind: what the service does: `embedding`, `reranker` or `transcription`.
        model_class: class of transformers that holds the model, or the dotted path of one of this project.
        processor_class: class of transformers for its tokenizer or processor.
        dimension: numbers of a vector; None if the service makes none.
    """

    model_id: str
    kind: str
    model_class: str = "AutoModel"
    processor_class: str = "AutoTokenizer"
    dimension: int | None = None


class ServiceConfig(BaseModel):
    """What every service may be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str | None = Field(None, description="Torch device; none = a GPU if there is one, else the CPU.")
    dtype: str | None = Field(None, description="Torch dtype; none = float32 on the CPU, bfloat16 or float16 on a GPU.")

    @classmethod
    def of(cls, given: object) -> Self:
        """The config that a step was given: an object of this class, a mapping, or nothing.

        Raises:
            InvalidRequest: names each field that is wrong and lists those there are.
        """
        if isinstance(given, cls):
            return given
        if isinstance(given, ServiceConfig) or not isinstance(given, Mapping | None):
            why = f"it is a {type(given).__module__}.{type(given).__qualname__}"
            raise InvalidRequest("config", why=why, fix=f"Give a {cls.__qualname__} or a dict with its fields")
        try:
            return cls.model_validate(dict(given or {}))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InvalidRequest("config", why=wrong, fix=f"Its fields are {', '.join(cls.model_fields)}") from None


class BatchService(BaseBatchInferenceService):
    """A built-in service as a step: reads one column and writes another.

    Subclasses name a `model` and a `Config`. The model is loaded by the first batch, once in a process.
    """

    model: ClassVar[ServedModel]
    Config: ClassVar[type[ServiceConfig]]
    batch_rows: ClassVar[int] = 1024
    concurrency: ClassVar[int] = 1
    """It computes on all cores by itself, whatever the step's resource type."""
    num_cpus: ClassVar[int] = 4
    """Of a worker on a Ray cluster, at most: with more cores, Python's own part of the work holds them up."""

    def __init__(self, config: object = None, progress_actor: object = None, **kwargs: object) -> None:
        super().__init__(self.Config.of(config), progress_actor, **kwargs)

    @abstractmethod
    def _process_batch(self, batch: pd.DataFrame) -> pd.DataFrame:
        """The batch with the output column."""

    def load(self) -> tuple[LoadedModel, Device]:
        """The model and where it is.

        Raises:
            ModelNotFound: it is not on this machine and cannot be fetched.
        """
        device = choose_device(self.config.device, self.config.dtype)
        wanted = ModelRequest(
            self.model.model_id, self.model.model_class, self.model.processor_class, device.dtype, device.name
        )
        return load_model(wanted), device


def column(batch: pd.DataFrame, name: str, setting: str) -> list[Any]:
    """A column's cells.

    Raises:
        InvalidRequest: there is no such column; lists those there are.
    """
    if name not in batch:
        there = ", ".join(map(str, batch.columns))
        raise InvalidRequest(f"{setting} {name!r}", why="there is no such column", fix=f"Columns: {there}")
    return batch[name].tolist()


def text_of(cell: object, name: str) -> str:
    """A cell's text.

    Raises:
        InvalidRequest: it is missing, blank, or no text.
    """
    if isinstance(cell, str):
        if cell.strip():
            return cell
        raise InvalidRequest(repr(name), why="it holds no text")
    if is_missing(cell):
        raise InvalidRequest(repr(name), why="it is missing")
    raise InvalidRequest(repr(name), why=f"it holds a {type(cell).__name__}, not a text")


def file_of(cell: object, name: str) -> str:
    """A cell's URL or path.

    Raises:
        InvalidRequest: it is missing, or no text.
    """
    if isinstance(cell, str) and cell:
        return cell
    why = (
        "it is missing" if is_missing(cell) or cell == "" else f"it holds a {type(cell).__name__}, not a URL or a path"
    )
    raise InvalidRequest(repr(name), why=why)
