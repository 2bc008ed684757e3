"""Making a running Dagster show what was just entered, without holding up the request that entered it."""

from __future__ import annotations

import threading

from mixpeek_dagster.dagster_home.graphql import reload_location, ui_url
from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.http.logs import log_event
from mixpeek_dagster.settings import Settings


class GraphReload:
    """Reloads the code location after changes; many changes at once make one or two reloads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._changed = threading.Event()

    def request(self) -> None:
        """The catalog has changed."""
        self._changed.set()

    def flush(self) -> None:
        """Reload now if something has changed and a Dagster UI runs.

        Raises:
            ServingError: the UI does not answer or the code location does not load.
        """
        if self._changed.is_set():
            self._changed.clear()
            if url := ui_url(self._settings):
                reload_location(url)

    def watch(self) -> None:
        """Reload in the background from now on, for as long as the process lives."""
        threading.Thread(target=self._loop, name="graph-reload", daemon=True).start()

    def _loop(self) -> None:
        while True:
            self._changed.wait()
            try:
                self.flush()
            except MixpeekError as error:
                log_event("reload failed", error=str(error))
