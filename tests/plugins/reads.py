"""`python -m tests.plugins.reads FOLDER`: how often each file of a plugin is opened, by load, as JSON.

A process of its own, since an audit hook cannot be taken away again. With more arguments the plugin is registered: its
reference as JSON, and the cache that holds it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mixpeek_dagster.catalog.records import PluginReference
from mixpeek_dagster.objects.connection import S3Access
from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.objects.plugins import PluginStore
from mixpeek_dagster.plugins.archive import ArchiveLimits
from mixpeek_dagster.plugins.loading import load_plugin


def count_reads(folder: Path, load: Callable[[], object], times: int) -> list[Counter[str]]:
    """Opened files by path inside the folder, for each call of `load`."""
    opened: Counter[str] = Counter()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(f"{folder}/"):
            opened[arguments[0].removeprefix(f"{folder}/")] += 1

    sys.addaudithook(hook)
    found = []
    for _ in range(times):
        load()
        found.append(Counter(opened))
        opened.clear()
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        reference = PluginReference.model_validate_json(sys.argv[2])
        # It is in the cache, so S3 is not asked.
        objects = ObjectStore(S3Access("http://127.0.0.1:9", "us-east-1"), "unused", make=False)
        store = PluginStore(lambda: objects, Path(sys.argv[3]), ArchiveLimits())
        found = count_reads(folder, lambda: store.load(reference), 2)
    else:
        found = count_reads(folder, lambda: load_plugin(folder), 2)
    print(json.dumps(found))
