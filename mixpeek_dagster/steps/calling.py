"""Calling a processor: in one thread or several; a batch that breaks is halved down to the rows that break it."""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
import pandas as pd

from mixpeek_dagster.errors import ErrorCategory
from mixpeek_dagster.plugins.pipeline import ResourceType, Step
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.contract import ContractError, Settled, adopt, failed_rows, settle
from mixpeek_dagster.rows.failures import failure, failure_of
from mixpeek_dagster.rows.state import Outcome, stack
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.steps.api_limits import CallStopped
from mixpeek_dagster.steps.health import StepHealth
from mixpeek_dagster.steps.retrying import ApiCalls, TriesSpent, spent_outcome
from mixpeek_dagster.steps.worker import Worker
from mixpeek_dagster.threads import map_in_threads

_HIDDEN = frozenset([*columns.SOURCE, *columns.BOOKKEEPING])


class StepCaller:
    """A step's processors, one in each thread that calls, and what is known of their health.

    A step of `ResourceType.API` is called in several threads, as fast as the limits of its provider allow.
    """

    def __init__(self, step: Step, position_fields: Sequence[str] = (), *, counts: bool = True) -> None:
        self._step = step
        self._counts = counts
        self._position_fields = position_fields
        self._api = ApiCalls(step, Settings.load()) if step.resource is ResourceType.API else None
        self.threads = _threads(step, self._api)
        self._health = StepHealth(step.name, self.threads)
        self._own = threading.local()
        self._workers: list[Worker] = []
        self._building = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._health.stopped.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def batch_rows(self, default: int) -> int:
        """How many rows the processor sees at a time: what its class asks for with `batch_rows`, else the default.

        In an API step that is one: a call that is tried again then repeats no row that has succeeded.
        """
        wanted = getattr(self._step.target, "batch_rows", None)
        if isinstance(wanted, int) and wanted > 0:
            return wanted
        return 1 if self._api is not None else default

    def call_each(self, batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """What `call` gives for each batch, in order; of an API step, several are under way at a time."""
        if self.threads == 1:
            return map(self.call, batches)
        self._pool = self._pool or ThreadPoolExecutor(self.threads, thread_name_prefix=self._step.name)
        return map_in_threads(self._pool, self.call, batches, 2 * self.threads)

    def take_counters(self) -> Counter[str]:
        """What the processors and, for an API step, the engine have counted since this was last asked."""
        taken: Counter[str] = Counter()
        for worker in self._workers:
            taken.update(worker.take_counters())
        if self._api is not None:
            taken.update(self._api.take_counters())
        return taken

    def call(self, batch: pd.DataFrame) -> pd.DataFrame:
        """Full rows in, full rows out: those that the step made, and those that failed."""
        worker = self._worker()
        if worker is None:
            return self._refuse(batch)
        try:
            settled = self._settle(worker, batch)
        except CallStopped:
            if self._health.broken is None:
                # The run has ended; nobody waits for this.
                raise
            return self._refuse(batch)
        except Exception as error:
            return self._halve(batch, error)
        self._health.succeeded()
        made = adopt(settled, batch, self._step.name if self._counts else "")
        return in_order(made, settled, batch)

    def _worker(self) -> Worker | None:
        """This thread's processor, made when first needed; none if the step is given up."""
        if self._health.broken is None and not hasattr(self._own, "worker"):
            # One after the other: constructors are rarely made for threads, and one that fails is not tried again.
            with self._building:
                self._build()
        return None if self._health.broken is not None else self._own.worker

    def _build(self) -> None:
        if self._health.broken is not None:
            return
        try:
            self._own.worker = Worker(self._step)
            self._workers.append(self._own.worker)
        except (Exception, SystemExit) as error:
            found = failure_of(error, self._step.name, ())
            message = f"the processor could not be made: {found.message}"
            category = found.category or ErrorCategory.RUNTIME
            self._health.give_up(failure(self._step.name, "constructor_failed", message, found.suggestion, category))

    def _settle(self, worker: Worker, batch: pd.DataFrame) -> Settled:
        given = batch[[name for name in batch.columns if name not in _HIDDEN]].reset_index(drop=True)
        if self._api is None:
            result = worker.invoke(given.copy())
        else:
            result = self._api.call(lambda: worker.invoke(given.copy()), self._health.stopped)
        settled = settle(result, given, self._step.name, self._position_fields)
        return self._without_failed(settled, worker.take_row_errors(), batch)

    def _without_failed(self, settled: Settled, errors: Mapping[int, Exception], batch: pd.DataFrame) -> Settled:
        """The result less the rows that the processor itself says have failed."""
        if not errors:
            return settled
        kept = [row for row, parent in enumerate(settled.parents.tolist()) if parent not in errors]
        failed = {position: self._outcome(error, batch) for position, error in errors.items()}
        return Settled(
            settled.frame.iloc[kept].reset_index(drop=True),
            settled.parents[kept],
            [settled.positions[row] for row in kept],
            {**settled.failed, **failed},
            [(parent, outcome) for parent, outcome in settled.extra if parent not in failed],
        )

    def _refuse(self, batch: pd.DataFrame) -> pd.DataFrame:
        broken = self._health.broken
        assert broken is not None
        return failed_rows(batch, [(index, broken) for index in range(len(batch))])

    def _halve(self, batch: pd.DataFrame, error: Exception) -> pd.DataFrame:
        outcome = self._outcome(error, batch)
        if isinstance(error, TriesSpent):
            self._health.call_spent(outcome)
        elif len(batch) == 1:
            self._health.row_failed(outcome)
        if len(batch) == 1:
            return failed_rows(batch, [(0, outcome)])
        middle = len(batch) // 2
        halves = [batch.iloc[:middle], batch.iloc[middle:]]
        return stack([self.call(half.reset_index(drop=True)) for half in halves])

    def _outcome(self, error: Exception, batch: pd.DataFrame) -> Outcome:
        if isinstance(error, ContractError):
            return failure(self._step.name, error.code, str(error), error.fix)
        known = [str(name) for name in batch.columns if name not in _HIDDEN]
        if isinstance(error, TriesSpent) and self._api is not None:
            return spent_outcome(error, failure_of(error.last, self._step.name, known), self._api.provider)
        return failure_of(error, self._step.name, known)


def _threads(step: Step, api: ApiCalls | None) -> int:
    """How many threads call a step: as many as its provider allows, fewer if its class says so with `concurrency`.

    An instance is one processor for all, so it is called by one thread, unless it says that it takes more.
    """
    if api is None:
        return 1
    most = api.limits.concurrency
    own = getattr(step.target, "concurrency", None)
    if isinstance(own, int) and own > 0:
        return min(own, most)
    return most if inspect.isclass(step.target) or inspect.isroutine(step.target) else 1


def in_order(made: pd.DataFrame, settled: Settled, batch: pd.DataFrame) -> pd.DataFrame:
    """The step's rows and the failed ones, each at its parent's place."""
    if not settled.failed and not settled.extra and bool((np.diff(settled.parents) >= 0).all()):
        return made
    lost, extra = failed_rows(batch, settled.failed), failed_rows(batch, settled.extra)
    parts = [part for part in (made, lost, extra) if not part.empty]
    places = [*settled.parents.tolist(), *settled.failed, *(parent for parent, _ in settled.extra)]
    joined = stack(parts)
    return joined.iloc[np.argsort(np.asarray(places), kind="stable")].reset_index(drop=True)
