"""Base classes that a plugin's processors and realtime services may extend."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


class BaseBatchInferenceService(ABC):
    """A batch processor: extend `_process_batch`.

    What it adds to `counters` is shown on the step; `fail_row` lets one row fail and the others go on; a class
    attribute `batch_rows` says how many rows it wants at a time. In steps of `ResourceType.API`, the class attributes
    `provider` and `concurrency` say whose API it calls and how many calls at a time it bears at most.
    """

    def __init__(self, config: Any = None, progress_actor: Any = None, **kwargs: Any) -> None:
        super().__init__()
        self.config = config
        self.progress_actor = progress_actor
        self.counters: Counter[str] = Counter()
        self.row_errors: dict[int, Exception] = {}

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        """Process a batch of rows."""
        return self._process_batch(batch)

    def fail_row(self, position: int, error: Exception) -> None:
        """Say that a row of the batch at hand fails, without raising: the rows beside it are not computed again.

        Args:
            position: place of the row in the batch, from 0.
            error: why; its text reaches the user.
        """
        self.row_errors[position] = error

    @abstractmethod
    def _process_batch(self, batch: pd.DataFrame) -> pd.DataFrame:
        """The batch with new columns."""


class BaseInferenceService:
    """A realtime service: extend `__call__` or `run_inference`, sync or async."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()

    async def __call__(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer one request; by default what `run_inference` gives."""
        result = self.run_inference(inputs, parameters)
        answer: dict[str, Any] = await result if inspect.isawaitable(result) else result
        return answer

    def run_inference(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> Any:
        """Answer one request.

        Raises:
            TypeError: neither this nor `__call__` is extended.
        """
        raise TypeError(f"{type(self).__name__} extends neither __call__ nor run_inference")
