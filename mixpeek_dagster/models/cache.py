"""The Hugging Face cache under the home folder."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

_HUB = "https://huggingface.co"
_RESOLVE_SECONDS = 2.0
_REVISION = "0" * 40
"""Stands for "as packaged": these files have no commit on the hub."""


def use_cache(cache: Path) -> None:
    """Let the libraries of this process and its children load models from this cache first.

    Must run before transformers or sentence_transformers are imported. A cache named by the environment stays.
    """
    os.environ.setdefault("HF_HUB_CACHE", str(cache))
    adopt_folders(Path(os.environ["HF_HUB_CACHE"]))
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


def is_cached(cache: Path, model: str) -> bool:
    """Whether the cache holds a snapshot of a model."""
    return snapshot_of(cache, model) is not None


def snapshot_of(cache: Path, model: str) -> Path | None:
    """Folder with the files of a model that the cache holds, or None."""
    reference = _folder(cache, model) / "refs" / "main"
    if not reference.is_file():
        return None
    snapshot = _folder(cache, model) / "snapshots" / reference.read_text(encoding="utf-8").strip()
    return snapshot if snapshot.is_dir() else None


def adopt_folders(cache: Path) -> list[str]:
    """Let models that lie in the cache as plain folders, `org/name`, be found by every library under their ids.

    Returns:
        Ids of those that were not known yet; none if the cache cannot be written to.
    """
    adopted: list[str] = []
    if not os.access(cache, os.W_OK):
        return adopted
    for config in sorted(cache.glob("*/*/config.json")):
        model = "/".join(config.parent.parts[-2:])
        if not model.startswith(("models--", ".")) and not is_cached(cache, model):
            add_to_cache(cache, model, functools.partial(_refer, config.parent))
            adopted.append(model)
    return adopted


def _refer(folder: Path, snapshot: Path) -> None:
    for entry in folder.iterdir():
        (snapshot / entry.name).symlink_to(entry.absolute(), target_is_directory=entry.is_dir())


def add_to_cache(cache: Path, model: str, write: Callable[[Path], None]) -> None:
    """Put a model into the cache, whole or not at all.

    Args:
        cache: the cache folder.
        model: its id, `org/name`.
        write: writes the model's files into the folder it is given.
    """
    target = _folder(cache, model)
    cache.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".adding-", dir=cache))
    try:
        snapshot = staging / "snapshots" / _REVISION
        snapshot.mkdir(parents=True)
        write(snapshot)
        (staging / "refs").mkdir()
        (staging / "refs" / "main").write_text(_REVISION, encoding="utf-8")
        try:
            staging.rename(target)
        except OSError:
            # Another process was faster; what it made is the same.
            if not is_cached(cache, model):
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _folder(cache: Path, model: str) -> Path:
    return cache / f"models--{model.replace('/', '--')}"
