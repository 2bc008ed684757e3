"""Last op of `features`: check vectors, number a source's documents, keep every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.codec import Codec
from mixpeek_dagster.rows.state import RowState
from mixpeek_dagster.rows.unwritable import fail_unwritable
from mixpeek_dagster.rows.vectors import check_vectors
from mixpeek_dagster.runs.context import CollectionRun
from mixpeek_dagster.runs.flow import Flow
from mixpeek_dagster.runs.frames import Frames, whole_sources


def keep_features(run: CollectionRun, flow: Flow) -> Frames:
    """Rows after the last step, vectors checked; the spool is dropped once they are stored."""
    producers = flow.producers()
    conditions = {step.name: step.condition.value.upper() for step in run.pipeline.steps}
    states: Counter[str] = Counter()

    def frames() -> Iterator[pd.DataFrame]:
        for frame in whole_sources(flow.rows.chunks(), columns.SOURCE_ID):
            checked = check_vectors(frame, run.spec.features, producers, conditions)
            checked = fail_unwritable(checked, run.vectors, Codec.JSON, "keep_features")
            states.update(checked[columns.STATE])
            yield _with_siblings(checked)
        run.drop_spools()

    def summary() -> Mapping[str, Any]:
        return {"dagster/row_count": states.total(), **dict(states)}

    metadata = {
        "fetched": flow.fetched,
        "code_hash": run.spec.code_hash,
        "config_hash": run.config_hash,
        "vectors": sorted(run.vectors),
        "reports": [report.to_dict() for report in flow.reports],
    }
    return Frames(frames, run.vectors, metadata, summary)


def _with_siblings(frame: pd.DataFrame) -> pd.DataFrame:
    """Number each row's source's rows; for a reused source the number of its documents stays."""
    counts = frame.groupby(columns.SOURCE_ID)[columns.SOURCE_ID].transform("size")
    reused = frame[columns.STATE] == RowState.REUSED.value
    return frame.assign(**{columns.SIBLINGS: frame[columns.SIBLINGS].where(reused, counts).astype("int64")})
