"""The stores as a Dagster resource: opened when a run first needs them, closed when it ends."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from mixpeek_dagster.graph.aws import open_stores
from mixpeek_dagster.graph.run_worker import note_worker
from mixpeek_dagster.graph.step_jobs import in_step_job
from mixpeek_dagster.settings import Settings

if TYPE_CHECKING:
    from mixpeek_dagster.stores import Stores


class StoresResource(dg.ConfigurableResource["StoresResource"]):
    """Catalog, object store and vector index, as the `MIXPEEK_*` settings name them.

    It has no config fields on purpose: URLs and keys never enter run config or the UI.
    """

    _stores: Stores = PrivateAttr()
    _settings: Settings = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[StoresResource, None, None]:
        """Open the stores for the length of a run."""
        self._settings = Settings.load()
        if context.run is not None and context.instance is not None and not in_step_job():
            note_worker(context.instance, context.run.run_id)
        with open_stores(self._settings) as stores:
            self._stores = stores
            yield self

    @property
    def open(self) -> Stores:
        """Only between set-up and tear-down of the resource."""
        return self._stores

    @property
    def settings(self) -> Settings:
        return self._settings
