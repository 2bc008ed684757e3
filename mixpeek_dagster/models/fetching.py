"""Models of a remote place, fetched once on each machine."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from mixpeek_dagster.errors import StoreError, StoreUnavailable
from mixpeek_dagster.models.cache import (
    CONFIG,
    is_own,
    model_folder,
    model_lock,
    own_revision,
    set_current,
    snapshot_of,
)
from mixpeek_dagster.models.remote import RemoteFile, RemoteModels
from mixpeek_dagster.models.weights import require_sound_weights

CHECKSUMS = "SHA256SUMS"
"""File beside a model's others that says what they must hold, in the format of sha256sum."""
_MISSING_SECONDS = 60.0
_AT_ONCE = 4

_log = logging.getLogger(__name__)
_looked: dict[tuple[Path, str, str], tuple[Path | None, float]] = {}
_locks: dict[tuple[Path, str, str], threading.Lock] = {}
_guard = threading.Lock()


def fetched(cache: Path, model: str, remote: RemoteModels) -> Path | None:
    """Folder with a model of a remote place, fetched unless the cache has it as it is there; None if it is not there.

    A process asks the place once for each model, and once a minute for one that is missing.

    Raises:
        StoreError: what is there is damaged or incomplete.
        StoreUnavailable: the place does not answer, and this machine has no copy.
    """
    key = (cache, model, remote.url)
    with _guard:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:
        there, until = _looked.get(key, (None, 0.0))
        if time.monotonic() < until and (there is None or there.is_dir()):
            return there
        found = _look(cache, model, remote)
        _looked[key] = (found, float("inf") if found else time.monotonic() + _MISSING_SECONDS)
        return found


def forget(model: str) -> None:
    """Ask again for a model, since it was added or removed."""
    for key in [key for key in list(_looked) if key[1] == model]:
        _looked.pop(key, None)


def _look(cache: Path, model: str, remote: RemoteModels) -> Path | None:
    try:
        files = remote.files(model)
    except StoreUnavailable as error:
        there = snapshot_of(cache, model)
        if there is None or not is_own(there):
            raise
        _log.warning("%s; the copy of %s on this machine is used", error, model)
        return there
    if not any(file.name == CONFIG for file in files):
        return None
    for file in files:
        if any(part in ("", ".", "..") for part in file.name.split("/")) or "\\" in file.name:
            raise StoreError(f"model {model!r} in {remote.url}", why=f"it has a file named {file.name!r}")
    revision = own_revision(f"{file.name} {file.size} {file.etag}" for file in files)
    there = snapshot_of(cache, model)
    if there is not None and there.name == revision:
        return there
    with model_lock(cache, model):
        snapshot = model_folder(cache, model) / "snapshots" / revision
        if not snapshot.is_dir():
            _fetch(cache, model, remote, files, revision)
        return set_current(cache, model, revision, _staging(cache, model) / revision)


def _fetch(cache: Path, model: str, remote: RemoteModels, files: Sequence[RemoteFile], revision: str) -> None:
    """Have all files in the staging folder; those that a killed process had finished are kept.

    Raises:
        StoreError: one is not what it should be; none of them is kept.
    """
    place = _staging(cache, model)
    for other in place.glob("*"):
        if other.name != revision:
            shutil.rmtree(other)
    staged = place / revision
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda file: _fetch_one(model, remote, file, staged), files))
        _require_checksums(model, remote, staged)
        require_sound_weights(staged)
    except StoreUnavailable:
        raise
    except StoreError as error:
        shutil.rmtree(staged, ignore_errors=True)
        fix = f"Put it there again: mixpeek models rm {model}; mixpeek models add FOLDER --id {model}"
        raise StoreError(f"model {model!r} in {remote.url}", why=error.why, fix=fix, where=error.where) from None


def _fetch_one(model: str, remote: RemoteModels, file: RemoteFile, staged: Path) -> None:
    path = staged.joinpath(*PurePosixPath(file.name).parts)
    if path.is_file() and path.stat().st_size == file.size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    remote.fetch(model, file.name, file.etag, part)
    if (size := part.stat().st_size) != file.size:
        raise StoreError(file.name, why=f"{file.name} has {size:,} bytes instead of {file.size:,}")
    part.replace(path)


def _require_checksums(model: str, remote: RemoteModels, staged: Path) -> None:
    sums = staged / CHECKSUMS
    if not sums.is_file():
        return
    for line in sums.read_text(encoding="utf-8").splitlines():
        wanted, _, name = line.partition("  ")
        path = staged / name
        if not path.is_file():
            raise StoreError(name, why=f"{name} is missing, which {CHECKSUMS} lists")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                raise StoreError(name, why=f"{name} is damaged: its sha256 is not the one in {CHECKSUMS}")


def checksums(files: dict[str, Path]) -> str:
    """As `sha256sum` writes them: digest, two spaces, path; sorted by path."""
    lines = []
    for name, path in sorted(files.items()):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines)


def _staging(cache: Path, model: str) -> Path:
    return cache / ".fetching" / model_folder(cache, model).name
