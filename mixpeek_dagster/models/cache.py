"""The Hugging Face cache of this machine: its layout, and the models that are put into it under their ids."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.processes.locks import wait_lock

_HUB = "https://huggingface.co"
_RESOLVE_SECONDS = 2.0
_LOCK_SECONDS = 6 * 3600.0
_OWN = "0" * 8
"""Begins the revisions of models that did not come from the hub, where commits are hashes."""
_PACKAGED = "0" * 40
"""Stands for "as packaged"."""
_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
CONFIG = "config.json"
"""Every model has one; a folder without it is none."""


def use_cache(cache: Path, folder: Path | None = None) -> None:
    """Let the libraries of this process and its children load models from this cache first.

    Must run before transformers or sentence_transformers are imported. A cache named by the environment stays.

    Args:
        cache: the cache folder.
        folder: where models lie as plain folders, `org/name`; the cache itself if none is named.
    """
    os.environ.setdefault("HF_HUB_CACHE", str(cache))
    adopt_folders(Path(os.environ["HF_HUB_CACHE"]), folder)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    if "HF_HUB_OFFLINE" not in os.environ and not _hub_resolves():
        # Without this, each file of each cached model is tried for minutes before the cached one is taken.
        os.environ["HF_HUB_OFFLINE"] = "1"


def _hub_resolves() -> bool:
    """Whether the hub's name resolves, found out in two seconds at most."""
    host = urlsplit(os.environ.get("HF_ENDPOINT", _HUB)).hostname or ""
    found: list[bool] = []

    def resolve() -> None:
        with suppress(OSError):
            found.append(bool(socket.getaddrinfo(host, 443)))

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(_RESOLVE_SECONDS)
    return bool(found)


def is_model_id(model: str) -> bool:
    """Whether this can be a model's id, `org/name`."""
    return _MODEL_ID.fullmatch(model) is not None and ".." not in model and "--" not in model


def require_model_id(model: str) -> None:
    """Refuse what cannot be a model's id.

    Raises:
        InvalidRequest: it is no `org/name`.
    """
    if not is_model_id(model):
        raise InvalidRequest(f"model {model!r}", why="it is no model id", fix="Write it as org/name")


def is_cached(cache: Path, model: str) -> bool:
    """Whether the cache holds a snapshot of a model."""
    return snapshot_of(cache, model) is not None


def is_own(snapshot: Path) -> bool:
    """Whether a snapshot was put into the cache by us; others are the hub's."""
    return snapshot.name.startswith(_OWN)


def own_revision(parts: Iterable[str]) -> str:
    """A revision for content that these parts describe: other parts, another revision."""
    return _OWN + hashlib.sha256("\n".join(parts).encode()).hexdigest()[: 40 - len(_OWN)]


def snapshot_of(cache: Path, model: str) -> Path | None:
    """Folder with the files of a model that the cache holds, or None."""
    reference = model_folder(cache, model) / "refs" / "main"
    if not reference.is_file():
        return None
    snapshot = model_folder(cache, model) / "snapshots" / reference.read_text(encoding="utf-8").strip()
    config = snapshot / CONFIG
    # A link whose target is gone: the folder that was adopted is no longer there.
    return snapshot if snapshot.is_dir() and (config.exists() or not config.is_symlink()) else None


def snapshot_files(snapshot: Path) -> dict[str, Path]:
    """A snapshot's files by their names in it, with slashes."""
    return {path.relative_to(snapshot).as_posix(): path for path in sorted(snapshot.rglob("*")) if path.is_file()}


def cached_models(cache: Path) -> dict[str, Path]:
    """Snapshots that the cache holds, by model id."""
    found = {}
    for folder in sorted(cache.glob("models--*--*")):
        model = folder.name.removeprefix("models--").replace("--", "/", 1)
        if (snapshot := snapshot_of(cache, model)) is not None:
            found[model] = snapshot
    return found


def adopt_folders(cache: Path, folder: Path | None = None) -> list[str]:
    """Let models that lie somewhere as plain folders, `org/name`, be found by every library under their ids.

    The cache gets links to their files. If `folder` is itself a Hugging Face cache, it gets links to its models, too.

    Args:
        cache: the cache folder.
        folder: where the plain folders are; the cache itself if none is named.

    Returns:
        Ids of those that were not known yet or have changed; none if the cache cannot be written to.
    """
    folder = folder or cache
    adopted: list[str] = []
    if folder != cache and folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
    if not os.access(cache, os.W_OK):
        return adopted
    for config in sorted(folder.glob(f"*/*/{CONFIG}")):
        model = "/".join(config.parent.parts[-2:])
        if is_model_id(model) and _adopt(cache, model, config.parent):
            adopted.append(model)
    if folder != cache:
        for theirs in folder.glob("models--*"):
            with suppress(FileExistsError):
                (cache / theirs.name).symlink_to(theirs, target_is_directory=True)
    return adopted


def _adopt(cache: Path, model: str, folder: Path) -> bool:
    files = snapshot_files(folder)
    stats = {name: path.stat() for name, path in files.items()}
    revision = own_revision(f"{folder}/{name} {s.st_size} {s.st_mtime_ns}" for name, s in stats.items())
    there = snapshot_of(cache, model)
    if there is not None and there.name == revision:
        return False
    with model_lock(cache, model), staging_folder(cache) as staged:
        for name, path in files.items():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).symlink_to(path.absolute())
        publish(cache, model, revision, staged)
    return True


def add_to_cache(cache: Path, model: str, write: Callable[[Path], None]) -> None:
    """Put a model into the cache, whole or not at all.

    Args:
        cache: the cache folder.
        model: its id, `org/name`.
        write: writes the model's files into the folder it is given.
    """
    with staging_folder(cache) as staged:
        write(staged)
        with model_lock(cache, model):
            publish(cache, model, _PACKAGED, staged)


def publish(cache: Path, model: str, revision: str, staged: Path) -> Path:
    """Make a folder of files the current snapshot of a model; whoever looks sees the one before or this one, whole.

    Call it with the model's lock held.
    """
    folder = model_folder(cache, model)
    snapshot = folder / "snapshots" / revision
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    if not snapshot.is_dir():
        staged.rename(snapshot)
    draft = folder / "refs" / ".main.new"
    draft.write_text(revision, encoding="utf-8")
    draft.replace(folder / "refs" / "main")
    return snapshot


@contextmanager
def staging_folder(cache: Path) -> Iterator[Path]:
    """A new folder beside the models, on the same file system; deleted in the end unless it was published."""
    cache.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=".adding-", dir=cache))
    try:
        staged.chmod(0o755)
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


@contextmanager
def model_lock(cache: Path, model: str) -> Iterator[None]:
    """Be the only process of this machine that changes a model in the cache."""
    path = cache / ".locks" / model_folder(cache, model).name / "mixpeek.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    file = wait_lock(path, time.monotonic() + _LOCK_SECONDS)
    if file is None:
        why = f"another process has held its lock for {_LOCK_SECONDS / 3600:g} hours"
        raise InvalidRequest(f"model {model!r}", why=why, fix=f"End it: fuser {path}")
    with file:
        yield


def model_folder(cache: Path, model: str) -> Path:
    """Folder of a model in a Hugging Face cache."""
    return cache / f"models--{model.replace('/', '--')}"
