"""Rows between the steps of a run as objects in S3, where every node of a cluster reaches them."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from mixpeek_dagster.objects.object_store import ObjectStore

PREFIX = "_spool"
"""Holds a folder for each run that is under way, or failed and may be taken up from where it stopped."""


@dataclass(frozen=True)
class ObjectSpool:
    """A prefix with one Arrow file per part.

    Args:
        objects: where the parts are; never pickled, since it holds keys.
        prefix: without a slash at its end; its last part names the step.
    """

    objects: ObjectStore
    prefix: str

    @property
    def name(self) -> str:
        """Last part of the prefix."""
        return self.prefix.rpartition("/")[2]

    def write(self, part: str, table: pa.Table) -> None:
        """As one Arrow file; replaces what was there."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        self.objects.put(self._key(part), sink.getvalue().to_pybytes())

    def read(self, part: str) -> pa.Table:
        """A part.

        Raises:
            NotFound: there is no such part.
        """
        import pyarrow as pa

        return pa.ipc.open_file(pa.py_buffer(self.objects.get(self._key(part)))).read_all()

    def clear(self) -> None:
        """Delete all parts."""
        self.objects.delete(self.objects.keys(f"{self.prefix}/"))

    def _key(self, part: str) -> str:
        return f"{self.prefix}/{part}.arrow"


def sweep_object_spools(objects: ObjectStore, *, kept_seconds: float) -> int:
    """Delete what runs have not written to for so long; returns how many runs' it was."""
    runs: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for key, written_at in objects.written(f"{PREFIX}/"):
        runs[key.split("/")[1]].append((key, written_at))
    before = time.time() - kept_seconds
    stale = [files for files in runs.values() if max(at for _, at in files) < before]
    objects.delete(key for files in stale for key, _ in files)
    return len(stale)
