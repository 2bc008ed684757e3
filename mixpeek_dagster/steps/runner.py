"""One step over all rows: those that match go through the processor, the others pass by untouched."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from mixpeek_dagster.plugins.pipeline import RowCondition, Step
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.failures import failure
from mixpeek_dagster.rows.missing import is_missing
from mixpeek_dagster.rows.rows import Rows, RowsWriter
from mixpeek_dagster.rows.state import RowState, live, stack, stop
from mixpeek_dagster.steps.calling import StepCaller
from mixpeek_dagster.steps.memory import release_unused

Progress = Callable[[int, int], None]
Coming = Callable[[Sequence[object]], None]


@dataclass(frozen=True)
class ChunkReport:
    """Counts of one chunk, and which columns and vectors the step made in it."""

    rows_in: int
    rows_matched: int
    rows_out: int
    rows_failed: int
    columns_added: tuple[str, ...]
    vectors_written: frozenset[str]
    counters: Counter[str]


@dataclass
class StepReport:
    """What a step did: rows, seconds, and the columns it made."""

    step: str
    condition: str
    rows_in: int = 0
    rows_matched: int = 0
    rows_out: int = 0
    rows_failed: int = 0
    seconds: float = 0.0
    columns_added: tuple[str, ...] = ()
    vectors_written: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rows_per_second: float = 0.0
    counters: dict[str, int] = field(default_factory=dict)
    """What the processor counted itself, such as rows whose text was cut."""

    @classmethod
    def of(cls, step: Step, chunks: Sequence[ChunkReport], seconds: float) -> StepReport:
        """Counts are added up; columns come in the order of the chunks, vectors by name."""
        rows_in, matched = sum(c.rows_in for c in chunks), sum(c.rows_matched for c in chunks)
        return cls(
            step.name,
            step.condition.value,
            rows_in=rows_in,
            rows_matched=matched,
            rows_out=sum(c.rows_out for c in chunks),
            rows_failed=sum(c.rows_failed for c in chunks),
            seconds=seconds,
            columns_added=tuple(dict.fromkeys(name for c in chunks for name in c.columns_added)),
            vectors_written=tuple(sorted({name for c in chunks for name in c.vectors_written})),
            warnings=(f"0 of {rows_in} rows matched {step.condition.name}",) if rows_in and not matched else (),
            rows_per_second=matched / seconds if seconds else 0.0,
            counters=dict(_total(c.counters for c in chunks)),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def run_step(
    step: Step,
    rows: Rows,
    writer: RowsWriter,
    *,
    batch_size: int,
    position_fields: Sequence[str] = (),
    counts: bool = True,
    coming: Coming | None = None,
    progress: Progress | None = None,
) -> StepReport:
    """Run a step over spooled rows and spool what comes out; every row that goes in comes out, at least once.

    Args:
        step: what to run.
        rows: where from.
        writer: where to; entered by the caller.
        batch_size: rows that the processor sees at a time.
        position_fields: columns that tell apart the rows a step makes of one.
        counts: whether a row that the step gets counts as wanted by a step.
        coming: told what `data` of the rows that the processor will see next is.
        progress: called with rows done and rows in all; within a chunk after each call of the processor.
    """
    reports: list[ChunkReport] = []
    done, started = 0, time.monotonic()
    with ChunkRunner(step, batch_size, rows.vectors, position_fields, counts=counts, coming=coming) as runner:
        for chunk in rows.chunks():
            out, report = runner.run(chunk, progress and _within(progress, done, rows.count))
            writer.append(out)
            release_unused()
            reports.append(report)
            done += report.rows_in
    return StepReport.of(step, reports, time.monotonic() - started)


class ChunkRunner:
    """A step at work on one chunk after the other; a context manager that holds the processor.

    Args: as `run_step`; `vectors` are the columns that hold vectors.
    """

    def __init__(
        self,
        step: Step,
        batch_size: int,
        vectors: frozenset[str],
        position_fields: Sequence[str] = (),
        *,
        counts: bool = True,
        coming: Coming | None = None,
    ) -> None:
        self._step = step
        self._batch_size = batch_size
        self._vectors = vectors
        self._coming = coming
        self._caller = StepCaller(step, position_fields, counts=counts)

    def __enter__(self) -> Self:
        self._caller.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._caller.__exit__(*error)

    def run(self, chunk: pd.DataFrame, progress: Callable[[int], None] | None) -> tuple[pd.DataFrame, ChunkReport]:
        """The chunk's rows after the step, and what it did; `progress` is called with rows done."""
        mask = matching(chunk, self._step.condition)
        if self._coming is not None:
            self._coming(chunk["data"][mask].tolist())
        out, failed = _run_chunk(self._step, self._caller, chunk, mask, self._batch_size, progress)
        return out, ChunkReport(
            rows_in=len(chunk),
            rows_matched=int(mask.sum()),
            rows_out=len(out),
            rows_failed=failed,
            columns_added=tuple(str(name) for name in out.columns if name not in chunk.columns),
            vectors_written=_vectors_written(out, chunk, self._vectors),
            counters=self._caller.take_counters(),
        )


def matching(frame: pd.DataFrame, condition: RowCondition) -> np.ndarray:
    """Mask of the live rows that a condition lets through."""
    wanted = np.array(
        [condition.matches(None if is_missing(mime) else mime) for mime in frame["mime_type"]], dtype=bool
    )
    return np.asarray(live(frame) & wanted)


def _total(counters: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _within(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    return lambda done: progress(before + done, total)


def _run_chunk(
    step: Step,
    caller: StepCaller,
    chunk: pd.DataFrame,
    mask: np.ndarray,
    batch_size: int,
    progress: Callable[[int], None] | None,
) -> tuple[pd.DataFrame, int]:
    """The chunk's rows after the step, and how many of them failed in it."""
    positions = np.flatnonzero(mask)
    if not len(positions):
        return chunk, 0
    failed = 0
    chunk = chunk.assign(**{columns.ORDER: np.arange(len(chunk))})
    frames = [chunk[~mask]] if not mask.all() else []
    size = caller.batch_rows(batch_size)
    batches = [positions[start : start + size] for start in range(0, len(positions), size)]
    results = caller.call_each(chunk.iloc[taken].reset_index(drop=True) for taken in batches)
    for taken, made in zip(batches, results, strict=True):
        failed += int((made[columns.STATE] == RowState.FAILED.value).sum())
        frames.append(made)
        if progress is not None:
            progress(int(taken[-1]) + 1)
    joined = stack([*frames, *_vanished(chunk, frames, step.name)])
    return joined.sort_values(columns.ORDER, kind="stable", ignore_index=True), failed


def _vanished(chunk: pd.DataFrame, frames: list[pd.DataFrame], stage: str) -> list[pd.DataFrame]:
    """Rows whose place in the chunk nobody answers for: the last net under the accounting."""
    present = np.zeros(len(chunk), dtype=bool)
    for frame in frames:
        present[frame[columns.ORDER].to_numpy(dtype=np.int64)] = True
    if present.all():
        return []
    message = f"{stage} left no trace of this row"
    outcome = failure(stage, "row_lost", message, "Return the rows you were given, with their document_id")
    lost = chunk[~present].reset_index(drop=True)
    return [stop(lost, np.ones(len(lost), dtype=bool), outcome)]


def _vectors_written(out: pd.DataFrame, before: pd.DataFrame, vectors: frozenset[str]) -> frozenset[str]:
    """Vector columns that the step made or changed: cells that are not the very objects it was given."""
    written = set()
    for name in vectors.intersection(out.columns):
        given = set(map(id, before[name])) if name in before else set()
        if any(id(value) not in given and not is_missing(value) for value in out[name]):
            written.add(name)
    return frozenset(written)
