"""The row ledger: every source row ends in exactly one of written, filtered, failed, reused."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import pandas as pd

from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.state import RowState

SOURCE_FILTER = "source_filter"
INPUT_MAPPING = "input_mapping"
_BEFORE_STEPS = (INPUT_MAPPING, "blobs")
_WORST = (RowState.FAILED, RowState.LIVE, RowState.REUSED, RowState.FILTERED)


@dataclass(frozen=True)
class Zero:
    """A counter that fell to zero although it should not."""

    counter: str
    message: str
    fix: str


@dataclass(frozen=True)
class Ledger:
    """Counters of one batch in one collection; they count source rows, the last two documents."""

    source_documents_fetched: int = 0
    documents_after_source_filter: int = 0
    documents_missing_input_fields: int = 0
    documents_reused: int = 0
    documents_submitted_to_engine: int = 0
    documents_filtered: int = 0
    documents_failed: int = 0
    sources_written: int = 0
    documents_expected: int = 0
    documents_written: int = 0
    rows_lost: int = 0

    def counters(self) -> dict[str, int]:
        return asdict(self)

    def balance(self) -> list[str]:
        """What does not add up; empty if every row is accounted for."""
        ends = self.sources_written + self.documents_filtered + self.documents_failed + self.documents_reused
        wrong = []
        if self.rows_lost:
            wrong.append(f"{self.rows_lost} rows that were selected never reached the documents")
        if ends + self.rows_lost != self.source_documents_fetched:
            wrong.append(
                f"{self.source_documents_fetched} rows fetched, but {self.sources_written} written + "
                f"{self.documents_filtered} filtered + {self.documents_failed} failed + {self.documents_reused} reused"
            )
        submitted = self.documents_after_source_filter - self.documents_missing_input_fields - self.documents_reused
        if submitted != self.documents_submitted_to_engine:
            wrong.append(f"{submitted} rows should have gone to the steps, {self.documents_submitted_to_engine} did")
        return wrong

    def summary(self) -> str:
        """The balance in words."""
        return (
            f"{self.source_documents_fetched} rows = {self.sources_written} written + {self.documents_filtered} "
            f"filtered + {self.documents_failed} failed + {self.documents_reused} reused"
        )

    def reason(self) -> str:
        """Why a run that is fine wrote as many documents as it did."""
        if not self.documents_submitted_to_engine and self.documents_reused:
            return f"nothing to do: {self.documents_reused} rows are unchanged and their documents are in Qdrant"
        return f"{self.documents_written} documents written"

    def zero(self) -> Zero | None:
        """Which counter fell to zero, for a batch that should have made documents and made none."""
        if self.documents_written or (self.documents_reused and not self.documents_expected):
            return None
        for found in (self._nothing_fetched(), self._all_filtered(), self._all_missing(), self._nothing_made()):
            if found is not None:
                return found
        message = f"{self.documents_expected} documents were sent to Qdrant and none is there."
        fix = "Look at Qdrant's log, then materialize documents again: it replays the kept features"
        return Zero("documents_written", message, fix)

    def _nothing_fetched(self) -> Zero | None:
        if self.source_documents_fetched:
            return None
        fix = "Ingest objects into the bucket, or choose another batch"
        return Zero("source_documents_fetched", "The batch has no rows: nothing was fetched.", fix)

    def _all_filtered(self) -> Zero | None:
        if self.documents_after_source_filter:
            return None
        message = f"All {self.source_documents_fetched} rows were filtered out before the first step."
        fix = "Loosen the collection's source filter, or the plugin's supported_input_types"
        return Zero("documents_after_source_filter", message, fix)

    def _all_missing(self) -> Zero | None:
        missing = self.documents_missing_input_fields
        if not missing or missing < self.documents_after_source_filter:
            return None
        message = f"All {missing} rows lack a required input field of the plugin."
        fix = "Map the field with `--map field=source`; the failed rows say which fields there are"
        return Zero("documents_submitted_to_engine", message, fix)

    def _nothing_made(self) -> Zero | None:
        if self.documents_expected:
            return None
        message = (
            f"{self.documents_submitted_to_engine} rows went through the steps and none came out with a usable vector: "
            f"{self.documents_failed} failed, {self.documents_filtered} filtered."
        )
        return Zero("documents_expected", message, "Read the failed rows: each names its step, reason and fix")


class Tally:
    """Counts a run's final rows as they stream by; holds a few bytes per source row."""

    def __init__(self) -> None:
        self._state: dict[str, tuple[RowState, str]] = {}
        self._documents = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Take in final rows; those of one source may come in several frames."""
        # A list, since pandas would make plain texts of the states.
        states = [RowState(state) for state in frame[columns.STATE]]
        self._documents += states.count(RowState.LIVE)
        for source, state, stage in zip(frame[columns.SOURCE_ID], states, frame[columns.STAGE], strict=True):
            known = self._state.get(source)
            if known is None or _WORST.index(state) < _WORST.index(known[0]):
                self._state[source] = (state, stage)

    def ledger(self, *, documents_written: int, fetched: int | None = None) -> Ledger:
        """The ledger of what was taken in.

        Args:
            documents_written: documents of this run counted in Qdrant.
            fetched: source rows at the start of the run; those that never arrived here are lost.
        """
        states = Counter(state for state, _ in self._state.values())
        filtered_early = sum(1 for state, stage in self._state.values() if _early(state, stage))
        missing = sum(1 for _, stage in self._state.values() if stage in _BEFORE_STEPS)
        total = len(self._state) if fetched is None else fetched
        after = len(self._state) - filtered_early
        return Ledger(
            source_documents_fetched=total,
            documents_after_source_filter=after,
            documents_missing_input_fields=missing,
            documents_reused=states[RowState.REUSED],
            documents_submitted_to_engine=after - missing - states[RowState.REUSED],
            documents_filtered=states[RowState.FILTERED],
            documents_failed=states[RowState.FAILED],
            sources_written=states[RowState.LIVE],
            documents_expected=self._documents,
            documents_written=documents_written,
            rows_lost=total - len(self._state),
        )


def _early(state: RowState, stage: str) -> bool:
    return state is RowState.FILTERED and stage == SOURCE_FILTER
