"""What built-in services may ask of the engine: larger batches, rows that fail alone, counters, vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from mixpeek_dagster.plugins.services import BaseBatchInferenceService
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.codec import Codec, decode, encode

Run = Callable[..., Any]


class _Service(BaseBatchInferenceService):
    batch_rows = 5

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.sizes: list[int] = []

    def _process_batch(self, batch: pd.DataFrame) -> pd.DataFrame:
        self.sizes.append(len(batch))
        for position, text in enumerate(batch["data"]):
            if text in ("text 1", "text 6"):
                self.fail_row(position, ValueError(f"{text} is bad"))
        self.counters["seen"] += len(batch)
        if "text 9" in batch["data"].tolist() and len(batch) > 1:
            raise RuntimeError("too many")
        return batch.assign(seen=batch["data"])


def test_a_service_gets_as_many_rows_as_it_asks_for(run: Run) -> None:
    service = _Service()
    run(service, 8, batch_size=2)
    assert service.sizes == [5, 3]


def test_rows_that_a_service_fails_do_not_cost_the_others_a_second_call(run: Run) -> None:
    service = _Service()
    frame, report = run(service, 8)
    failed = frame[frame[columns.STATE] == "failed"]
    assert failed["data"].tolist() == ["text 1", "text 6"]
    assert failed[columns.MESSAGE].tolist() == ["ValueError: text 1 is bad", "ValueError: text 6 is bad"]
    assert frame["data"].tolist() == [f"text {i}" for i in range(8)]
    assert report.rows_failed == 2
    assert service.sizes == [5, 3]


def test_rows_that_failed_in_a_batch_that_broke_are_judged_again_in_its_halves(run: Run) -> None:
    frame, _ = run(_Service(), 10)
    assert frame[frame[columns.STATE] == "failed"]["data"].tolist() == ["text 1", "text 6"]


def test_what_a_service_counts_is_reported(run: Run) -> None:
    _, report = run(_Service(), 8, chunk_rows=4)
    assert report.counters == {"seen": 8}
    assert report.to_dict()["counters"] == {"seen": 8}


def test_embeddings_between_steps_are_no_lists_of_python_floats() -> None:
    cells = np.empty(3, dtype=object)
    cells[0], cells[2] = np.ones(4, dtype=np.float32), np.zeros(4, dtype=np.float32)
    table = encode(pd.DataFrame({"between": cells}), frozenset(), Codec.PICKLE)
    assert table.schema.field("between").type == pa.list_(pa.float32(), 4)
    back = decode(table)["between"]
    assert back[0].dtype == np.float32
    assert back[1] is None


def test_arrays_of_other_types_come_back_as_they_were() -> None:
    cells = np.empty(2, dtype=object)
    cells[0], cells[1] = np.ones(4), np.ones((2, 2), dtype=np.float32)
    back = decode(encode(pd.DataFrame({"between": cells}), frozenset(), Codec.PICKLE))["between"]
    assert back[0].dtype == np.float64
    assert back[1].shape == (2, 2)
