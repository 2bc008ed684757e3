"""A search in a process of its own: `python -m mixpeek_dagster.operations.search_process`.

The query goes through the plugin's code, and a server of several tenants runs none in its own process. Reads what is
wanted as JSON from standard input, writes what was found, or the error, to standard output.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.errors import MixpeekError, ServingError, from_dict
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.operations.search import FoundDocument, find
from mixpeek_dagster.processes.parent import die_with_parent
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores, open_stores

_SECONDS = 240.0
_WAIT = 120.0
_AT_ONCE = threading.BoundedSemaphore(2)
"""Each holds a model in memory."""


def find_apart(
    stores: Stores,
    view: NamespaceView,
    collection: str,
    *,
    words: str | None = None,
    file: Path | None = None,
    vector: str | None = None,
    limit: int = 5,
) -> list[FoundDocument]:
    """`find`, with the plugin's code in a process of its own that ends with the search.

    Raises:
        MixpeekError: as `find`.
        ServingError: the process died, took too long, or too many others run.
    """
    record = view.collections.get_by_identifier(view.id, collection)
    wanted = {
        "namespace": view.id,
        "collection": record.collection_id,
        "words": words,
        "file": str(file) if file else None,
        "vector": vector,
        "limit": limit,
    }
    if not _AT_ONCE.acquire(timeout=_WAIT):
        raise ServingError(f"search of {record.collection_name!r}", why="too many others run", fix="Try again")
    try:
        reply = _ask(record.collection_name, wanted, {**os.environ, **stores.environment()})
    finally:
        _AT_ONCE.release()
    if "error" in reply:
        raise from_dict(reply["error"])
    return [FoundDocument(**hit) for hit in reply["hits"]]


def _ask(collection: str, wanted: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    process = subprocess.Popen(
        [sys.executable, "-m", "mixpeek_dagster.operations.search_process"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - the parent may be killed, and the plugin may never end
    )
    try:
        output, log = process.communicate(orjson.dumps(wanted), _SECONDS)
    except subprocess.TimeoutExpired:
        raise ServingError(f"search of {collection!r}", why=f"it took over {_SECONDS:g} s") from None
    finally:
        # The group, since the plugin may have started others.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    try:
        reply: dict[str, Any] = orjson.loads(output)
    except orjson.JSONDecodeError:
        said = log.decode(errors="replace").strip().splitlines()
        why = f"its process ended with status {process.returncode}: {said[-1] if said else 'no output'}"
        raise ServingError(f"search of {collection!r}", why=why) from None
    return reply


def main() -> None:
    """Answer one search; what the plugin prints goes to standard error."""
    wanted = orjson.loads(sys.stdin.buffer.read())
    answer = os.dup(1)
    os.dup2(2, 1)
    settings = Settings.load()
    use_cache(settings.models_path, settings.models_folder)
    reply: dict[str, Any]
    try:
        with open_stores(settings) as stores:
            view = stores.catalog.view(stores.catalog.namespaces.get(wanted["namespace"]))
            file = Path(wanted["file"]) if wanted["file"] else None
            asked = {key: wanted[key] for key in ("words", "vector", "limit")}
            reply = {"hits": [hit.to_dict() for hit in find(stores, view, wanted["collection"], file=file, **asked)]}
    except MixpeekError as error:
        reply = {"error": error.to_dict()}
    with os.fdopen(answer, "wb") as out:
        out.write(orjson.dumps(reply, default=str))


if __name__ == "__main__":
    main()
