"""Batches as the API shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.api.pages import Pagination
from mixpeek_dagster.catalog.records import Batch, RunScope


class BatchReply(Batch):
    """A batch; `status` is null for one that was ingested by hand, `tiers` has the ledger of each collection."""


class BatchList(BaseModel):
    """Batches, the newest first."""

    success: Literal[True] = True
    results: list[BatchReply]
    total_count: int
    pagination: Pagination


class RetryBatch(BaseModel):
    """How much of a batch runs again."""

    model_config = ConfigDict(extra="forbid")

    scope: Literal[RunScope.CHANGED, RunScope.ALL] = Field(
        RunScope.CHANGED, description="`changed`: rows that failed or are new; `all`: every row."
    )
