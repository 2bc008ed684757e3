"""The checks on a collection's documents and how each is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixpeek_dagster.rows.ledger import Ledger, Zero


class Check(StrEnum):
    """Checks on documents; a failed one makes the run red."""

    VECTOR_INDEXES_EXIST = "vector_indexes_exist"
    VECTORS_VALID = "vectors_valid"
    ROWS_ACCOUNTED_FOR = "rows_accounted_for"
    DOCUMENTS_WRITTEN = "documents_written"
    QDRANT_COUNT = "qdrant_count"


DESCRIPTIONS: Mapping[Check, str] = {
    Check.VECTOR_INDEXES_EXIST: "Every feature of the manifest is a named vector in Qdrant, of the declared size.",
    Check.VECTORS_VALID: "Every vector is there, has the declared size, is finite and not all zero.",
    Check.ROWS_ACCOUNTED_FOR: "Every source row ended as written, filtered, failed or reused.",
    Check.DOCUMENTS_WRITTEN: "Rows went in and as many documents as they make came out.",
    Check.QDRANT_COUNT: "An exact count in Qdrant after the write finds what the ledger claims.",
}


class Grade(StrEnum):
    """PASS; WARN = some rows failed, the run goes on; FAIL = the run is red."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Verdict:
    """What a check found."""

    check: Check
    grade: Grade
    message: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """What the checks look at, gathered while documents were written."""

    ledger: Ledger
    missing_vectors: tuple[str, ...]
    imbalance: tuple[str, ...]
    invalid_vectors: int
    invalid_samples: tuple[str, ...]
    counted: int | None
    claimed: int
    write_error: str | None
    first_failure: str = ""
    arrived: bool = False
    removed: int = 0


_NOTHING_TO_DO = frozenset({"source_documents_fetched", "documents_after_source_filter"})


def judge(evidence: Evidence) -> list[Verdict]:
    """One verdict per check, in the order in which a reader should look at them."""
    return [
        _vector_indexes(evidence),
        _vectors_valid(evidence),
        _rows_accounted_for(evidence),
        _documents_written(evidence),
        _qdrant_count(evidence),
    ]


def _vector_indexes(evidence: Evidence) -> Verdict:
    check = Check.VECTOR_INDEXES_EXIST
    if evidence.missing_vectors:
        names = ", ".join(evidence.missing_vectors)
        return Verdict(check, Grade.FAIL, f"Qdrant has no vector named {names}. Materialize features again to make it")
    return Verdict(check, Grade.PASS, "every declared vector exists in Qdrant")


def _vectors_valid(evidence: Evidence) -> Verdict:
    check, invalid = Check.VECTORS_VALID, evidence.invalid_vectors
    if not invalid:
        return Verdict(check, Grade.PASS, "every vector is valid")
    grade = Grade.WARN if evidence.ledger.documents_expected or evidence.ledger.documents_reused else Grade.FAIL
    message = f"{invalid} rows have no usable vector. First: {evidence.invalid_samples[0]}"
    return Verdict(check, grade, message, {"rows": invalid, "samples": list(evidence.invalid_samples)})


def _rows_accounted_for(evidence: Evidence) -> Verdict:
    check = Check.ROWS_ACCOUNTED_FOR
    if evidence.imbalance:
        return Verdict(check, Grade.FAIL, "; ".join(evidence.imbalance), {"imbalance": list(evidence.imbalance)})
    return Verdict(check, Grade.PASS, evidence.ledger.summary())


def _documents_written(evidence: Evidence) -> Verdict:
    check, ledger = Check.DOCUMENTS_WRITTEN, evidence.ledger
    if evidence.write_error:
        return Verdict(check, Grade.FAIL, f"the write failed: {evidence.write_error}")
    if zero := ledger.zero():
        if evidence.arrived and zero.counter in _NOTHING_TO_DO:
            return _nothing_to_do(evidence, zero)
        first = f". The first one: {evidence.first_failure}" if evidence.first_failure else ""
        return Verdict(check, Grade.FAIL, f"{zero.message} {zero.fix}{first}", {"counter": zero.counter})
    if ledger.documents_written != ledger.documents_expected:
        short = f"{ledger.documents_written} documents are in Qdrant, {ledger.documents_expected} were expected"
        return Verdict(check, Grade.FAIL, f"{short}. Materialize documents again: it replays the kept features")
    if ledger.documents_failed or ledger.documents_missing_input_fields:
        failed = ledger.documents_failed + ledger.documents_missing_input_fields
        message = f"{ledger.documents_written} documents written; {failed} source rows failed and are listed"
        return Verdict(check, Grade.WARN, message)
    return Verdict(check, Grade.PASS, ledger.reason())


def _nothing_to_do(evidence: Evidence, zero: Zero) -> Verdict:
    """Nobody chose what is in a batch of arrivals, so it may well hold nothing for this collection."""
    if zero.counter == "source_documents_fetched":
        message = f"nothing to write; {evidence.removed} documents of removed objects were deleted"
        return Verdict(Check.DOCUMENTS_WRITTEN, Grade.PASS, message)
    return Verdict(Check.DOCUMENTS_WRITTEN, Grade.WARN, f"{zero.message} {zero.fix}", {"counter": zero.counter})


def _qdrant_count(evidence: Evidence) -> Verdict:
    check = Check.QDRANT_COUNT
    if evidence.counted is None:
        return Verdict(check, Grade.FAIL, "Qdrant could not be asked for a count after the write")
    if evidence.counted != evidence.claimed:
        message = f"Qdrant holds {evidence.counted} documents of this batch, the ledger claims {evidence.claimed}"
        return Verdict(check, Grade.FAIL, f"{message}. Materialize features and documents again: lost ones are redone")
    return Verdict(check, Grade.PASS, f"Qdrant holds all {evidence.claimed} documents of this batch")
