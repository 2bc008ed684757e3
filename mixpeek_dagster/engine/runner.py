"""One step over all rows: those that match go through the processor, the others pass by untouched."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixpeek_dagster.engine import columns
from mixpeek_dagster.engine.calling import Caller
from mixpeek_dagster.engine.codec import is_missing
from mixpeek_dagster.engine.failures import failure
from mixpeek_dagster.engine.memory import release_unused
from mixpeek_dagster.engine.rows import Rows, RowsWriter
from mixpeek_dagster.engine.state import RowState, live, stack, stop
from mixpeek_dagster.plugins.pipeline import RowCondition, Step

Progress = Callable[[int, int], None]


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
    coming: Callable[[Sequence[object]], None] | None = None,
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
    report = StepReport(step.name, step.condition.value)
    added: dict[str, None] = {}
    written: set[str] = set()
    started = time.monotonic()
    with Caller(step, position_fields, counts=counts) as caller:
        for chunk in rows.chunks():
            if coming is not None:
                coming(chunk["data"][matching(chunk, step.condition)].tolist())
            out = _run_chunk(step, caller, chunk, batch_size, report, progress and _within(progress, report, rows))
            added.update(dict.fromkeys(str(name) for name in out.columns if name not in chunk.columns))
            written |= _vectors_written(out, chunk, rows.vectors)
            writer.append(out)
            release_unused()
            report.rows_in += len(chunk)
            report.rows_out += len(out)
    report.seconds = time.monotonic() - started
    report.rows_per_second = report.rows_matched / report.seconds if report.seconds else 0.0
    report.columns_added = tuple(added)
    report.vectors_written = tuple(sorted(written))
    report.warnings = _warnings(step, report)
    return report


def matching(frame: pd.DataFrame, condition: RowCondition) -> np.ndarray:
    """Mask of the live rows that a condition lets through."""
    wanted = np.array(
        [condition.matches(None if is_missing(mime) else mime) for mime in frame["mime_type"]], dtype=bool
    )
    return np.asarray(live(frame) & wanted)


def _within(progress: Progress, report: StepReport, rows: Rows) -> Callable[[int], None]:
    return lambda done: progress(report.rows_in + done, rows.count)


def _run_chunk(
    step: Step,
    caller: Caller,
    chunk: pd.DataFrame,
    batch_size: int,
    report: StepReport,
    progress: Callable[[int], None] | None,
) -> pd.DataFrame:
    mask = matching(chunk, step.condition)
    positions = np.flatnonzero(mask)
    report.rows_matched += len(positions)
    if not len(positions):
        return chunk
    chunk = chunk.assign(**{columns.ORDER: np.arange(len(chunk))})
    frames = [chunk[~mask]] if not mask.all() else []
    size = caller.batch_rows(batch_size)
    batches = [positions[start : start + size] for start in range(0, len(positions), size)]
    results = caller.call_each(chunk.iloc[taken].reset_index(drop=True) for taken in batches)
    for taken, made in zip(batches, results, strict=True):
        report.rows_failed += int((made[columns.STATE] == RowState.FAILED.value).sum())
        frames.append(made)
        if progress is not None:
            progress(int(taken[-1]) + 1)
    for name, count in caller.take_counters().items():
        report.counters[name] = report.counters.get(name, 0) + count
    joined = stack([*frames, *_vanished(chunk, frames, step.name)])
    return joined.sort_values(columns.ORDER, kind="stable", ignore_index=True)


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


def _vectors_written(out: pd.DataFrame, before: pd.DataFrame, vectors: frozenset[str]) -> set[str]:
    """Vector columns that the step made or changed: cells that are not the very objects it was given."""
    written = set()
    for name in vectors.intersection(out.columns):
        given = set(map(id, before[name])) if name in before else set()
        if any(id(value) not in given and not is_missing(value) for value in out[name]):
            written.add(name)
    return written


def _warnings(step: Step, report: StepReport) -> tuple[str, ...]:
    if report.rows_in and not report.rows_matched:
        return (f"0 of {report.rows_in} rows matched {step.condition.name}",)
    return ()
