"""What a step may do to a batch: change columns, make more rows of a row; never lose or invent one."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mixpeek_dagster import ids
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.failures import failure
from mixpeek_dagster.rows.state import Outcome

_KEEP_IDS = "Return the rows you were given, and keep document_id on each row you add"


class ContractError(Exception):
    """A result whose rows cannot be told apart: the batch is halved to find out whose they are."""

    def __init__(self, code: str, message: str, fix: str = _KEEP_IDS) -> None:
        super().__init__(message)
        self.code = code
        self.fix = fix


@dataclass
class JudgedRows:
    """A result whose every row has a parent, and what became of the parents that have none.

    Args:
        frame: the result's rows that are good, with a fresh index.
        parents: position in the batch of each row's parent.
        positions: which of its parent's rows each row is; empty if it is the only one.
        failed: parents that failed, by position in the batch.
        extra: failed rows of the result, as (parent, outcome).
    """

    frame: pd.DataFrame
    parents: np.ndarray
    positions: list[str]
    failed: dict[int, Outcome] = field(default_factory=dict)
    extra: list[tuple[int, Outcome]] = field(default_factory=list)


def judge_rows(result: Any, batch: pd.DataFrame, stage: str, position_fields: Sequence[str]) -> JudgedRows:
    """Find each result row's parent and judge what the step did.

    Raises:
        ContractError: it cannot be told which rows of the batch the result speaks of.
    """
    if not isinstance(result, pd.DataFrame):
        got = "None" if result is None else f"a {type(result).__name__}"
        raise ContractError(
            "no_dataframe", f"{stage} returned {got}, not a DataFrame", "End __call__ with return batch"
        )
    if not result.columns.is_unique:
        twice = sorted(set(map(str, result.columns[result.columns.duplicated()])))
        raise ContractError("columns_twice", f"{stage} returned columns twice: {', '.join(twice)}", "Rename one")
    result = result.reset_index(drop=True)
    parents = _parents(result, batch, stage)
    known = parents >= 0
    frame = result[known].reset_index(drop=True)
    judged = JudgedRows(frame, parents[known], [""] * int(known.sum()))
    _note_strangers(result, known, judged, stage)
    _note_lost(batch, judged, stage)
    _expand(judged, stage, [name for name in position_fields if name in frame])
    return judged


def _parents(result: pd.DataFrame, batch: pd.DataFrame, stage: str) -> np.ndarray:
    if "document_id" not in result:
        if len(result) != len(batch):
            message = f"{stage} returned {len(result)} rows for {len(batch)} and no document_id to tell whose they are"
            raise ContractError("rows_without_lineage", message)
        return np.arange(len(batch))
    where = {document: index for index, document in enumerate(batch["document_id"])}
    found = np.array([where.get(document, -1) for document in result["document_id"]], dtype=np.int64)
    if len(result) == len(batch) and (found < 0).all():
        raise ContractError("ids_replaced", f"{stage} gave every row a document_id of its own", _KEEP_IDS)
    return found


def _note_strangers(result: pd.DataFrame, known: np.ndarray, judged: JudgedRows, stage: str) -> None:
    if known.all():
        return
    first = result.loc[~known, "document_id"].iloc[0]
    message = f"{stage} returned {int((~known).sum())} rows with document ids it was not given, such as {first!r}"
    raise ContractError("unknown_document_ids", message)


def _note_lost(batch: pd.DataFrame, judged: JudgedRows, stage: str) -> None:
    present = set(judged.parents.tolist())
    for index in range(len(batch)):
        if index not in present:
            message = f"{stage} lost this row: it was given and not returned"
            judged.failed[index] = failure(stage, "row_lost", message, _KEEP_IDS)


def _expand(judged: JudgedRows, stage: str, position_fields: Sequence[str]) -> None:
    """Name the rows of a parent that has several, and sort out those that are the same row twice."""
    counts = np.bincount(judged.parents) if len(judged.parents) else np.array([], dtype=int)
    if not (counts > 1).any():
        return
    kept: list[int] = []
    seen: dict[tuple[int, str], int] = {}
    contents: set[tuple[int, bytes]] = set()
    ordinals: dict[int, int] = {}
    for row, parent in enumerate(judged.parents.tolist()):
        if counts[parent] == 1:
            kept.append(row)
            continue
        content = (parent, pickle.dumps(judged.frame.iloc[row].tolist()))
        ordinal = ordinals.get(parent, 0)
        ordinals[parent] = ordinal + 1
        position = _position(judged.frame, row, ordinal, position_fields)
        problem = _collision(content in contents, (parent, position) in seen, position, position_fields, stage)
        contents.add(content)
        seen.setdefault((parent, position), row)
        if problem is None:
            kept.append(row)
            judged.positions[row] = position
        else:
            judged.extra.append((parent, problem))
    judged.positions = [judged.positions[row] for row in kept]
    judged.frame = judged.frame.iloc[kept].reset_index(drop=True)
    judged.parents = judged.parents[kept]


def _position(frame: pd.DataFrame, row: int, ordinal: int, position_fields: Sequence[str]) -> str:
    if not position_fields:
        return str(ordinal)
    return ",".join(f"{name}={frame[name].iloc[row]}" for name in position_fields)


def _collision(
    same_content: bool, same_position: bool, position: str, position_fields: Sequence[str], stage: str
) -> Outcome | None:
    if same_content:
        message = f"{stage} returned this row twice: same document_id, same content"
        return failure(stage, "duplicate_document_id", message, "Return each row once")
    if same_position:
        message = f"{stage} returned two rows at position {position}"
        fix = f"Make {', '.join(position_fields)} differ between the rows of one document"
        return failure(stage, "duplicate_position", message, fix)
    return None


def merge_rows(judged: JudgedRows, batch: pd.DataFrame, stage: str) -> pd.DataFrame:
    """The result's rows as rows of the run: identity and bookkeeping of their parents, names of their own.

    Args:
        judged: the judged result.
        batch: full rows of the batch, with all columns, in the order that the processor saw.
        stage: the step; empty for one that does not count as having got the row.
    """
    inherited = batch.iloc[judged.parents].reset_index(drop=True)
    kept = [name for name in inherited.columns if name in columns.PROTECTED or name in columns.BOOKKEEPING]
    own = [name for name in judged.frame.columns if name not in kept]
    # A processor may return only what it made: columns it left out are those of the parent.
    untouched = [name for name in inherited.columns if name not in kept and name not in own]
    adopted = pd.concat([inherited[[*kept, *untouched]], judged.frame[own]], axis=1)
    adopted = adopted[[*(name for name in inherited.columns), *(name for name in own if name not in inherited)]]
    adopted[columns.MATCHED] = [f"{before} {stage}".strip() for before in adopted[columns.MATCHED]]
    return _rename(adopted, judged.positions)


def _rename(frame: pd.DataFrame, positions: Sequence[str]) -> pd.DataFrame:
    if not any(positions):
        return frame
    documents, paths = frame["document_id"].tolist(), frame[columns.POSITION].tolist()
    for index, position in enumerate(positions):
        if position:
            documents[index] = ids.child_document_id(documents[index], position)
            paths[index] = f"{paths[index]}/{position}".strip("/")
    return frame.assign(**{"document_id": documents, columns.POSITION: paths})


def failed_rows(batch: pd.DataFrame, outcomes: Mapping[int, Outcome] | Sequence[tuple[int, Outcome]]) -> pd.DataFrame:
    """The rows at these positions of the batch, their outcomes in the bookkeeping columns; a row may come twice."""
    pairs = list(outcomes.items()) if isinstance(outcomes, Mapping) else list(outcomes)
    rows = batch.iloc[[index for index, _ in pairs]].reset_index(drop=True)
    for name in ("STATE", "STAGE", "CODE", "CATEGORY", "MESSAGE", "SUGGESTION"):
        column = getattr(columns, name)
        rows[column] = pd.Series([outcome.columns()[column] for _, outcome in pairs], dtype=object)
    return rows
