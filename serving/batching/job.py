"""A request's inputs on their way through a batcher."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from serving.batching.packing import Item

if TYPE_CHECKING:
    from serving.batching.batcher import Batcher


class Job:
    """Places in a batcher's queue for the inputs of one request; it leaves them at the end of a `with` block.

    Places are taken before inputs are fetched and tokenised: what is being prepared is in memory, too.
    """

    def __init__(self, batcher: Batcher, inputs: int, deadline: float) -> None:
        self.deadline = deadline
        """Time on the batcher's clock after which nobody waits any more."""
        self.over = False
        """Whether its inputs need not be computed any more."""
        self.unqueued = inputs
        """Places of inputs that are still prepared."""
        self._batcher = batcher
        self.queued_at = 0.0
        """When they began to wait."""
        self._answers: list[Any] = []
        self._left = 0
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def compute(self, payloads: Sequence[Any], sizes: Sequence[int], group: Hashable = None) -> list[Any]:
        """What the model gives for each input.

        Args:
            payloads: what the model takes, for each input; a clip of sound may have become several.
            sizes: of each, in tokens.
            group: inputs of different groups never go together.

        Raises:
            DoesNotFit: memory does not do for one of them, even alone.
            TimeoutError: it was not their turn in time.
            Exception: what the model raised.
        """
        if not payloads:
            return []
        pairs = zip(payloads, sizes, strict=True)
        items = [Item(payload, size, group, self, place) for place, (payload, size) in enumerate(pairs)]
        self._answers, self._left = [None] * len(items), len(items)
        self._batcher.queue(self, items)
        await self._answered
        return self._answers

    def answer(self, place: int, answer: Any) -> None:
        """Take an input's answer; in the event loop."""
        self._answers[place] = answer
        self._left -= 1
        if not self._left and not self._answered.done():
            self._answered.set_result(None)

    def fail(self, error: BaseException) -> None:
        """Take the error of an input; in the event loop. The other inputs need not be computed."""
        self.over = True
        if not self._answered.done():
            self._answered.set_exception(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.over = True
        self._batcher.leave(self)
