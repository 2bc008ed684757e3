"""The upsert: rows become points, are counted, and are judged."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mixpeek_dagster.catalog.records import TaskStatus
from mixpeek_dagster.errors import MixpeekError, StoreError
from mixpeek_dagster.index.point import Point
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.failures import RowFailure, failures_of
from mixpeek_dagster.rows.ledger import Ledger, Tally
from mixpeek_dagster.rows.state import RowState
from mixpeek_dagster.runs.checks import Evidence, Grade, Verdict, judge
from mixpeek_dagster.runs.context import CollectionRun
from mixpeek_dagster.runs.frames import Frames
from mixpeek_dagster.runs.points import field_names, row_points
from mixpeek_dagster.runs.records import record_end
from mixpeek_dagster.runs.removal import remove_gone

_MAX_FAILURES = 1000
_MAX_SAMPLES = 5


@dataclass
class DocumentsReport:
    """What the upsert of one batch came to."""

    ledger: Ledger
    verdicts: list[Verdict]
    status: TaskStatus
    documents_reused: int
    documents_removed: int
    columns: Mapping[str, str]
    samples: list[dict[str, Any]]
    failures: list[RowFailure]
    steps: list[Mapping[str, Any]]
    seconds: float
    retryable: bool = False

    def steps_table(self) -> str:
        """Markdown: rows, time and speed of each step."""
        head = "| step | rows in | matched | rows out | failed | seconds | rows/s |\n|---|---|---|---|---|---|---|"
        keys = ("step", "rows_in", "rows_matched", "rows_out", "rows_failed", "seconds", "rows_per_second")
        rows = ["| " + " | ".join(_cell(step[key]) for key in keys) + " |" for step in self.steps]
        return "\n".join([head, *rows])

    def samples_table(self) -> str:
        """Markdown: the first documents, a row each."""
        names = list(dict.fromkeys(name for sample in self.samples for name in sample))
        lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
        lines += ["| " + " | ".join(_cell(sample.get(name, "")) for name in names) + " |" for sample in self.samples]
        return "\n".join(lines)


@dataclass
class _Write:
    """Running totals of a write; small whatever the number of rows."""

    tally: Tally = field(default_factory=Tally)
    claimed: dict[str, int] = field(default_factory=dict)
    reused: int = 0
    removed: int = 0
    invalid: int = 0
    invalid_samples: list[str] = field(default_factory=list)
    failures: list[RowFailure] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    error: MixpeekError | None = None


def write_documents(run: CollectionRun, features: Frames) -> DocumentsReport:
    """Upsert the kept features, count what Qdrant holds, and judge.

    The task is COMPLETED only after an exact count has found every document that the ledger claims.
    """
    started = time.monotonic()
    write = _Write()
    try:
        run.stores.index.upsert(run.namespace.namespace_id, _points(run, features, write))
        _retire_stale(run, write)
        write.removed = remove_gone(run)
    except MixpeekError as error:
        write.error = error
        _drain(features, write)
    report = _report(run, features, write)
    report.seconds = time.monotonic() - started
    record_end(run, report.ledger, report.status, report.failures, report.verdicts)
    return report


def _points(run: CollectionRun, features: Frames, write: _Write) -> Iterator[Point]:
    for frame in features:
        _note(frame, write)
        live = frame[frame[columns.STATE] == RowState.LIVE.value]
        if live.empty:
            continue
        write.columns.update(field_names(run, live))
        write.replaced.extend(live[columns.SOURCE_ID].unique())
        for point in row_points(run, live):
            if len(write.samples) < _MAX_SAMPLES:
                write.samples.append(_sample(point))
            yield point


def _note(frame: pd.DataFrame, write: _Write) -> None:
    write.tally.add(frame)
    # What is left out now may have been written when the object, the schema or the filter was another.
    write.replaced.extend(frame[frame[columns.STATE] == RowState.FILTERED.value][columns.SOURCE_ID].unique())
    going = frame[frame[columns.STATE] == RowState.LIVE.value]
    write.claimed.update({str(source): n for source, n in going[columns.SOURCE_ID].value_counts().items()})
    reused = frame[frame[columns.STATE] == RowState.REUSED.value]
    for source, documents in zip(reused[columns.SOURCE_ID], reused[columns.SIBLINGS], strict=True):
        write.claimed[str(source)] = int(documents)
        write.reused += int(documents)
    failed = frame[frame[columns.STATE] == RowState.FAILED.value]
    invalid = failed[failed[columns.STAGE] == "vectors_valid"]
    write.invalid += len(invalid)
    write.invalid_samples.extend(invalid[columns.MESSAGE].head(_MAX_SAMPLES - len(write.invalid_samples)))
    write.failures.extend(failures_of(failed.head(_MAX_FAILURES - len(write.failures))))


def _drain(features: Frames, write: _Write) -> None:
    """Account for the rows that a broken write never reached."""
    write.tally, write.claimed, write.reused = Tally(), {}, 0
    write.invalid, write.invalid_samples, write.failures = 0, [], []
    for frame in features:
        _note(frame, write)


def _retire_stale(run: CollectionRun, write: _Write) -> None:
    run.stores.index.retire(
        run.namespace.namespace_id, run.collection.collection_id, write.replaced, keep_run=run.run_id
    )


def _report(run: CollectionRun, features: Frames, write: _Write) -> DocumentsReport:
    counts = _counts(run, write)
    claimed = sum(write.claimed.values())
    ledger = write.tally.ledger(documents_written=counts.written, fetched=features.metadata["fetched"])
    verdicts = judge(
        Evidence(
            ledger=ledger,
            missing_vectors=counts.missing_vectors,
            imbalance=tuple(ledger.balance()),
            invalid_vectors=write.invalid,
            invalid_samples=tuple(write.invalid_samples),
            counted=counts.held,
            claimed=claimed,
            write_error=str(write.error) if write.error else None,
            first_failure=str(write.failures[0]) if write.failures else "",
            arrived=run.batch.status is not None,
            removed=write.removed,
        )
    )
    grades = {verdict.grade for verdict in verdicts}
    return DocumentsReport(
        ledger=ledger,
        verdicts=verdicts,
        status=_status(grades),
        documents_reused=write.reused,
        documents_removed=write.removed,
        columns=write.columns,
        samples=write.samples,
        failures=write.failures,
        steps=list(features.metadata["reports"]),
        seconds=0.0,
        retryable=write.error is not None and write.error.retryable,
    )


@dataclass(frozen=True)
class _Counts:
    """What Qdrant holds after the write.

    Args:
        written: documents that carry this run's id.
        held: documents of the sources that the run claims, written now or before; None if Qdrant does not answer.
        missing_vectors: declared vectors that are not there.
    """

    written: int
    held: int | None
    missing_vectors: tuple[str, ...] = ()


def _counts(run: CollectionRun, write: _Write) -> _Counts:
    index, namespace, collection = run.stores.index, run.namespace.namespace_id, run.collection.collection_id
    try:
        missing = index.missing_vectors(namespace, [feature.name for feature in run.spec.features])
        written = index.count_run(namespace, collection, run.run_id)
        return _Counts(written, index.count_sources(namespace, collection, list(write.claimed)), tuple(missing))
    except StoreError:
        return _Counts(0, None)


def _status(grades: set[Grade]) -> TaskStatus:
    if Grade.FAIL in grades:
        return TaskStatus.FAILED
    return TaskStatus.COMPLETED_WITH_ERRORS if Grade.WARN in grades else TaskStatus.COMPLETED


def _sample(point: Point) -> dict[str, Any]:
    fields = {key: value for key, value in point.payload.items() if not key.startswith("_")}
    return {**fields, **{name: f"{len(vector)} numbers" for name, vector in point.vectors.items()}}


def _cell(value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")[:120]
