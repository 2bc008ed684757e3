"""All collections of one data folder."""

from __future__ import annotations

import logging
import re
import shutil
import threading
from pathlib import Path
from typing import IO, Self
from uuid import uuid4

from mixpeek_dagster.errors import StoreInUse
from mixpeek_dagster.processes.files import sync_folder
from mixpeek_dagster.processes.locks import claim, claimant, try_lock
from mixpeek_dagster.qdrant_server.collection import ServedCollection
from mixpeek_dagster.qdrant_server.errors import Conflict, Missing, ValidationFailed
from mixpeek_dagster.qdrant_server.schema import FILE, CollectionSchema

FLUSH_SECONDS = 5.0
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00]')
_log = logging.getLogger(__name__)


class Registry:
    """Collections by name, for the one process that owns the folder.

    A collection appears and disappears by one rename of its folder, so a crash leaves none half made.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder.

        Raises:
            StoreInUse: another process owns it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._owner = _own(folder)
        self._folder = folder / "collections"
        self._folder.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._held = self._scan()
        self._stopping = threading.Event()
        self._flusher = threading.Thread(target=self._flush_until_stopped, name="flush", daemon=True)

    def __enter__(self) -> Self:
        self._flusher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._flusher.join()
        for collection in self._held.values():
            collection.close()
        self._owner.close()

    def names(self) -> list[str]:
        """Sorted."""
        return sorted(self._held)

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def get(self, name: str) -> ServedCollection:
        """The collection of that name.

        Raises:
            Missing: there is none.
        """
        try:
            return self._held[name]
        except KeyError:
            raise Missing(f"Collection `{name}` doesn't exist!") from None

    def create(self, schema: CollectionSchema) -> ServedCollection:
        """Make a collection.

        Raises:
            Conflict: the name is taken.
            ValidationFailed: the name cannot be one.
        """
        _check_name(schema.name)
        with self._lock:
            if schema.name in self._held:
                raise Conflict(f"Collection `{schema.name}` already exists!")
            draft = self._folder / f".new-{uuid4().hex}"
            draft.mkdir()
            ServedCollection.create(draft, schema)
            folder = self._folder / _folder_name(schema.name)
            draft.rename(folder)
            sync_folder(self._folder)
            self._held[schema.name] = ServedCollection(folder, schema)
            return self._held[schema.name]

    def delete(self, name: str) -> bool:
        """Remove a collection with all its points; False when there is none."""
        with self._lock:
            collection = self._held.pop(name, None)
            if collection is None:
                return False
            collection.close()
            trash = self._folder / f".old-{uuid4().hex}"
            collection.folder.rename(trash)
            sync_folder(self._folder)
        shutil.rmtree(trash)
        return True

    def _scan(self) -> dict[str, ServedCollection]:
        held: dict[str, ServedCollection] = {}
        for path in sorted(self._folder.iterdir()):
            if path.name.startswith("."):
                shutil.rmtree(path)
            elif (path / FILE).exists():
                collection = ServedCollection.load(path)
                held[collection.schema.name] = collection
            else:
                _log.warning("%s holds no %s and is left alone", path, FILE)
        return held

    def _flush_until_stopped(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            for collection in list(self._held.values()):
                try:
                    collection.flush()
                except Exception:
                    _log.exception("collection %s could not be flushed", collection.schema.name)


def _own(folder: Path) -> IO[str]:
    path = folder / "owner.lock"
    lock = try_lock(path)
    if lock is None:
        raise StoreInUse(f"data folder {folder}", why=f"another process owns it (pid {claimant(path) or 'unknown'})")
    claim(lock)
    return lock


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 255:
        raise ValidationFailed("[name: must be from 1 to 255 characters long]")
    if found := _FORBIDDEN.search(name):
        raise ValidationFailed(f"[name: collection name cannot contain {found[0]!r}]")


def _folder_name(name: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', name)[:80]}-{uuid4().hex[:12]}"
