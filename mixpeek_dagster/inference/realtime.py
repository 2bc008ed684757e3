"""What built-in models have in common when they answer requests: fields in, a reply out; neither HTTP nor a queue."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from mixpeek_dagster.inference.devices import Device
from mixpeek_dagster.inference.service import BatchService, ServedModel

Batch = TypeVar("Batch", bound=BatchService)
Result = TypeVar("Result")
Vectors = npt.NDArray[np.float32]
_SHORT = 4000
"""Characters that are tokenised in half a millisecond or so."""


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("it holds no text")
    return text


Text = Annotated[str, StringConstraints(max_length=1_000_000), AfterValidator(_not_blank)]
"""A text that can be embedded; longer ones would keep the tokenizer from all others."""


class Fields(BaseModel):
    """Named inputs or parameters: no others are taken, and none is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NoParameters(Fields):
    """None are taken."""


@dataclass(frozen=True)
class InferenceResult:
    """What a request is answered.

    Args:
        reply: JSON-ready, but for arrays.
        dropped: tokens of its texts that did not fit.
    """

    reply: Mapping[str, Any]
    dropped: int = 0


class Places(Protocol):
    """Places in a queue for the inputs of one request; it leaves them at the end of a `with` block."""

    async def compute(self, payloads: Sequence[Any], sizes: Sequence[int], group: Hashable = None) -> list[Any]:
        """What `RealtimeService.compute` gives for each, when it is its turn.

        Args:
            payloads: what the model takes, for each input; a clip of sound may have become several.
            sizes: of each, in what `budget` is measured in.
            group: inputs of different groups never go together.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


Admit = Callable[[int], Places]
"""Gives places for so many inputs, or raises if there is no room."""


class FileLimits(Protocol):
    """How much a request may bring along."""

    @property
    def body_bytes(self) -> int:
        """Largest file that a URL in it may name."""
        ...

    @property
    def seconds(self) -> float:
        """Longest time to fetch it."""
        ...


class RealtimeService(ABC, Generic[Batch]):
    """One built-in model that answers requests.

    Args:
        service: the batch service of the model: what it makes of an input is what this makes of it.
        limits: of the process.
    """

    Inputs: type[Fields]
    Parameters: ClassVar[type[Fields]] = NoParameters
    example: ClassVar[Mapping[str, Any]]
    """Inputs that work."""
    replied: ClassVar[str]
    """What the reply is, in words."""
    budget: int
    """Most of a pack, in what `compute` is measured in; known once it is loaded."""
    device: Device
    """Where it computes; known once it is loaded."""

    def __init__(self, service: type[Batch], limits: FileLimits) -> None:
        self.service = service
        self.limits = limits

    @property
    def model(self) -> ServedModel:
        return self.service.model

    @abstractmethod
    def load(self) -> None:
        """Load the model; takes long."""

    @abstractmethod
    def compute(self, group: Any, payloads: Sequence[Any]) -> Sequence[Any]:
        """What the model gives for inputs that go through it together."""

    @abstractmethod
    async def answer(self, inputs: Any, parameters: Any, admit: Admit) -> InferenceResult:
        """The answer to a request.

        Args:
            inputs: of class `Inputs`.
            parameters: of class `Parameters`.
            admit: gives places for so many inputs.

        Raises:
            InvalidInput: names an input that is wrong.
            Exception: what `admit` and its places raise: no room, not in time, memory that does not do.
        """

    @abstractmethod
    def reply_schema(self) -> dict[str, Any]:
        """The reply, in OpenAPI's words."""


class Threads:
    """Threads for what must not be done in the event loop.

    Args:
        count: how many.
        name: of them.
    """

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """What `work` gives; it is not done if nobody waits for it before it begins."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


class Tokenizing:
    """Tokenises, never twice at a time, which tokenizers do not bear.

    Short texts are tokenised at once: that takes as long as the way to a thread and back, and less if cores are busy.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tokenize")
        self._long: list[Future[Any]] = []

    async def run(self, work: Callable[..., Result], *texts: Sequence[str]) -> Result:
        """What `work` gives for the texts."""
        short = sum(len(text) for each in texts for text in each) <= _SHORT
        self._long = [future for future in self._long if not future.done()]
        if short and not self._long:
            return work(*texts)
        self._long.append(self._pool.submit(work, *texts))
        return await asyncio.wrap_future(self._long[-1])


def one_of(fields: Fields, *names: str) -> str:
    """The one of these inputs that is given.

    Raises:
        ValueError: none is, or several are.
    """
    given = [name for name in names if getattr(fields, name) is not None]
    if len(given) != 1:
        raise ValueError(f"give {'one of ' if len(names) > 2 else 'either '}{' or '.join(names)}")
    return given[0]


def embedded(vectors: Sequence[Vectors], many: bool) -> Mapping[str, Any]:
    """The reply of embeddings.

    Raises:
        ArithmeticError: the model gave numbers that are none.
    """
    found = np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)
    if not np.isfinite(found).all():
        raise ArithmeticError("the model gave numbers that are not finite")
    return {"embeddings": found} if many else {"embedding": found[0]}


def embedding_schema(dimension: int | None) -> dict[str, Any]:
    """A reply with a vector, or with one for each input."""
    size = {} if dimension is None else {"minItems": dimension, "maxItems": dimension}
    vector = {"type": "array", "items": {"type": "number"}, **size}
    return {"type": "object", "properties": {"embedding": vector, "embeddings": {"type": "array", "items": vector}}}
