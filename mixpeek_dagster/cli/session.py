"""What a command works with: settings, open stores, the Dagster instance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixpeek_dagster.catalog.records import Namespace
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores, open_stores

if TYPE_CHECKING:
    import dagster as dg

    from mixpeek_dagster.graph.collection import Compilable

# Dagster takes longer to import than most commands take to work, and many never need it.


@dataclass(frozen=True)
class Session:
    """One command's surroundings."""

    settings: Settings
    stores: Stores
    namespace: Namespace

    @contextmanager
    def dagster(self) -> Iterator[dg.DagsterInstance]:
        """The Dagster instance under the home folder."""
        from mixpeek_dagster.dagster_home.runs import open_instance

        os.environ["DAGSTER_HOME"] = str(self.settings.dagster_home)
        with open_instance(self.settings) as instance:
            yield instance

    def compilable(self, collection: str) -> Compilable:
        """A collection by name, with what it hangs on.

        Raises:
            NotFound: there is none of that name.
        """
        from mixpeek_dagster.graph.catalog_source import compilables

        record = self.stores.catalog.collections.get_by_name(self.namespace.namespace_id, collection)
        snapshot = self.stores.catalog.snapshot_of([record.collection_id])
        return compilables(snapshot, self.stores.plugins.load, only=record.collection_id)[0]


@contextmanager
def open_session(settings: Settings | None = None) -> Iterator[Session]:
    """Open the stores, starting the embedded ones if need be, and enter the namespace of the settings."""
    settings = settings or Settings.load()
    use_cache(settings.models_path, settings.models_folder)
    with open_stores(settings) as stores:
        yield Session(settings, stores, stores.catalog.ensure_namespace(settings.namespace, settings.organization))
