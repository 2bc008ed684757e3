"""Calling a processor: built once, sync or async, a batch that breaks is halved down to the rows that break it."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from mixpeek_dagster.engine import columns
from mixpeek_dagster.engine.contract import ContractError, Settled, adopt, failed_rows, settle
from mixpeek_dagster.engine.failures import failure, failure_of
from mixpeek_dagster.engine.state import Outcome, stack
from mixpeek_dagster.errors import ErrorCategory
from mixpeek_dagster.plugins.pipeline import Processor, Step

_GIVE_UP_AFTER = 8
_HIDDEN = frozenset([*columns.SOURCE, *columns.BOOKKEEPING])


class Caller:
    """A step's processor and what is known of its health."""

    def __init__(self, step: Step, position_fields: Sequence[str] = (), *, counts: bool = True) -> None:
        self._step = step
        self._counts = counts
        self._position_fields = position_fields
        self._processor: Processor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._broken: Outcome | None = None
        self._succeeded = False
        self._streak: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None:
            self._loop.close()

    def batch_rows(self, default: int) -> int:
        """How many rows the processor sees at a time: what its class asks for with `batch_rows`, else the default."""
        wanted = getattr(self._step.target, "batch_rows", None)
        return wanted if isinstance(wanted, int) and wanted > 0 else default

    def call_each(self, batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """What `call` gives for each batch, in order."""
        return map(self.call, batches)

    def take_counters(self) -> Counter[str]:
        """What the processor has counted since it was last asked: its attribute `counters`, which is emptied."""
        counted = getattr(self._processor, "counters", None)
        if not isinstance(counted, Counter):
            return Counter()
        taken = Counter(counted)
        counted.clear()
        return taken

    def call(self, batch: pd.DataFrame) -> pd.DataFrame:
        """Full rows in, full rows out: those that the step made, and those that failed."""
        if self._broken is None and self._processor is None:
            self._build()
        if self._broken is not None:
            return failed_rows(batch, [(index, self._broken) for index in range(len(batch))])
        try:
            settled = self._settle(batch)
        except Exception as error:
            return self._halve(batch, error)
        self._succeeded = True
        self._streak.clear()
        made = adopt(settled, batch, self._step.name if self._counts else "")
        return in_order(made, settled, batch)

    def _build(self) -> None:
        try:
            self._processor = self._step.build()
        except (Exception, SystemExit) as error:
            outcome = failure_of(error, self._step.name, ())
            message = f"the processor could not be made: {outcome.message}"
            self._broken = failure(
                self._step.name,
                "constructor_failed",
                message,
                outcome.suggestion,
                outcome.category or ErrorCategory.RUNTIME,
            )

    def _settle(self, batch: pd.DataFrame) -> Settled:
        given = batch[[name for name in batch.columns if name not in _HIDDEN]].reset_index(drop=True)
        try:
            result = self._invoke(given.copy())
        except SystemExit as error:
            self._forget_errors()
            raise RuntimeError(f"the processor called exit({error.code})") from error
        except Exception:
            self._forget_errors()
            raise
        return self._without_failed(settle(result, given, self._step.name, self._position_fields), batch)

    def _forget_errors(self) -> None:
        """A batch that broke is called again in halves, whose rows have other places."""
        errors = getattr(self._processor, "row_errors", None)
        if errors:
            errors.clear()

    def _without_failed(self, settled: Settled, batch: pd.DataFrame) -> Settled:
        """The result less the rows that the processor itself says have failed."""
        errors = getattr(self._processor, "row_errors", None)
        if not errors:
            return settled
        kept = [row for row, parent in enumerate(settled.parents.tolist()) if parent not in errors]
        failed = {position: self._outcome(error, batch) for position, error in errors.items()}
        errors.clear()
        return Settled(
            settled.frame.iloc[kept].reset_index(drop=True),
            settled.parents[kept],
            [settled.positions[row] for row in kept],
            {**settled.failed, **failed},
            [(parent, outcome) for parent, outcome in settled.extra if parent not in failed],
        )

    def _invoke(self, batch: pd.DataFrame) -> Any:
        assert self._processor is not None
        result = self._processor(batch)
        return self._wait_for(result) if inspect.isawaitable(result) else result

    def _wait_for(self, result: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await result

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._loop = self._loop or asyncio.new_event_loop()
            return self._loop.run_until_complete(wait())
        return _in_thread(lambda: asyncio.run(wait()))

    def _halve(self, batch: pd.DataFrame, error: Exception) -> pd.DataFrame:
        if len(batch) > 1:
            middle = len(batch) // 2
            halves = [batch.iloc[:middle], batch.iloc[middle:]]
            return stack([self.call(half.reset_index(drop=True)) for half in halves])
        outcome = self._outcome(error, batch)
        self._watch(error, outcome)
        return failed_rows(batch, [(0, outcome)])

    def _outcome(self, error: Exception, batch: pd.DataFrame) -> Outcome:
        if isinstance(error, ContractError):
            return failure(self._step.name, error.code, str(error), error.fix)
        known = [str(name) for name in batch.columns if name not in _HIDDEN]
        return failure_of(error, self._step.name, known)

    def _watch(self, error: Exception, outcome: Outcome) -> None:
        """A step that fails on every row alike is broken; trying each of thousands of rows would help nobody."""
        self._streak.append(outcome.code)
        if not self._succeeded and len(self._streak) >= _GIVE_UP_AFTER and len(set(self._streak)) == 1:
            self._broken = outcome


@dataclass(frozen=True)
class _Box:
    value: list[Any]
    error: list[BaseException]


def _in_thread(work: Callable[[], Any]) -> Any:
    box = _Box([], [])

    def run() -> None:
        try:
            box.value.append(work())
        except BaseException as error:
            box.error.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if box.error:
        raise box.error[0]
    return box.value[0]


def in_order(made: pd.DataFrame, settled: Settled, batch: pd.DataFrame) -> pd.DataFrame:
    """The step's rows and the failed ones, each at its parent's place."""
    lost, extra = failed_rows(batch, settled.failed), failed_rows(batch, settled.extra)
    if lost.empty and extra.empty and bool((np.diff(settled.parents) >= 0).all()):
        return made
    parts = [part for part in (made, lost, extra) if not part.empty]
    places = [*settled.parents.tolist(), *settled.failed, *(parent for parent, _ in settled.extra)]
    joined = stack(parts)
    return joined.iloc[np.argsort(np.asarray(places), kind="stable")].reset_index(drop=True)
