"""Models of namespaces: kept in S3 by their content, fetched and unpacked once on each machine that uses them."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from mixpeek_dagster.catalog.models import ModelFormat, ModelRecord
from mixpeek_dagster.errors import ArchiveError, NotFound, StoreError
from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.plugins.archive import ArchiveLimits, unpack_files
from mixpeek_dagster.processes.locks import wait_lock

_PREFIX = "_models"
_MARKER = "config.json"
_LOCK_SECONDS = 6 * 3600.0
SUFFIXES = {ModelFormat.SAFETENSORS: ".safetensors", ModelFormat.PYTORCH: ".pt", ModelFormat.HUGGINGFACE: ".archive"}


class NamespaceModelStore:
    """Models of namespaces by the hash of their content.

    Args:
        objects: where their files are.
        cache: folder of fetched models; processes may share it.
        limits: what a packed model may hold.
    """

    def __init__(self, objects: ObjectStore, cache: Path, limits: ArchiveLimits) -> None:
        self._objects = objects
        self._cache = cache
        self._limits = limits

    def key(self, namespace_id: str, model_id: str, content_hash: str, model_format: ModelFormat) -> str:
        """Where a model's file is kept: the same content has the same key."""
        return f"{_PREFIX}/{namespace_id}/{model_id}/{content_hash}{SUFFIXES[model_format]}"

    def upload_key(self, namespace_id: str, upload_id: str) -> str:
        """Where an upload is put before it is confirmed."""
        return f"{_PREFIX}/{namespace_id}/uploads/{upload_id}"

    def put(self, key: str, file: Path) -> None:
        """Keep a model's file."""
        self._objects.put(key, file)

    def ensure(self, key: str, file: Path) -> None:
        """Put a model's file again if it is not there."""
        try:
            self._objects.size_and_etag(key)
        except NotFound:
            self._objects.put(key, file)

    def delete(self, key: str) -> None:
        """Delete a model's file; machines that have fetched it keep what they have."""
        self._objects.delete([key])

    def unpack(self, file: Path, model_format: ModelFormat, target: Path) -> str:
        """What is loaded, made of a model's file: the file itself, or a folder.

        Returns:
            The content's hash.

        Raises:
            ArchiveError: it is an archive, and one that no model can come from.
        """
        if model_format is ModelFormat.HUGGINGFACE:
            unpack_files(file, target, self._limits, _MARKER)
            files = sorted(path for path in target.rglob("*") if path.is_file())
            return _digest(f"{path.relative_to(target).as_posix()}\n{_sha256(path)}\n".encode() for path in files)
        file.rename(target)
        return _sha256(target)

    def cached(self, model: ModelRecord) -> bool:
        """Whether its files are on this machine."""
        return self._place(model).exists()

    def path(self, model: ModelRecord) -> Path:
        """The model's file or folder on this machine, fetched if it is not there.

        Raises:
            NotFound: its file is gone from S3.
            StoreError: what S3 gave is not what was uploaded.
        """
        place = self._place(model)
        if place.exists():
            return place
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = wait_lock(place.with_name(f".{model.content_hash}.lock"), time.monotonic() + _LOCK_SECONDS)
        if lock is None:
            raise StoreError(f"model {model.model_id!r}", why="another process has been fetching it for hours")
        with lock:
            if not place.exists():
                self._fetch(model, place)
        return place

    def _place(self, model: ModelRecord) -> Path:
        suffix = "" if model.model_format is ModelFormat.HUGGINGFACE else SUFFIXES[model.model_format]
        return self._cache / model.namespace_id / f"{model.content_hash}{suffix}"

    def _fetch(self, model: ModelRecord, place: Path) -> None:
        work = place.with_name(f".{model.content_hash}.fetching")
        # With the lock held, what is there was left by a process that was killed.
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            self._objects.fetch(self._objects.url(model.object_key), work / "file")
            try:
                found = self.unpack(work / "file", model.model_format, work / place.name)
            except ArchiveError as error:
                raise StoreError(f"model {model.model_id!r}", why=f"what S3 gave is damaged: {error.why}") from None
            if found != model.content_hash:
                fix = "Delete the model and upload it again"
                raise StoreError(f"model {model.model_id!r}", why="what S3 gave is not what was uploaded", fix=fix)
            (work / place.name).rename(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
