"""Assets of a run on this machine: fetched once, and ahead of the step that wants them."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

_AHEAD = 8
_SCHEMES = ("s3://", "http://", "https://")

Fetch = Callable[[str, Path], None]


class AssetCache:
    """Files by URL, up to a number of bytes together; the least recently used go first.

    A file that is handed out is a link of its own: it stays whole whatever becomes of the cache, and may be deleted.

    Args:
        folder: where the files are kept; made when first needed, deleted by `close`.
        most_bytes: of all files together; files that are being fetched come on top.
        fetch: writes what a URL gives to a path.
    """

    def __init__(self, folder: Path, most_bytes: int, fetch: Fetch) -> None:
        self.folder = folder
        self._most = most_bytes
        self._fetch = fetch
        self._pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="assets")
        self._lock = threading.Lock()
        self._files: OrderedDict[str, Future[Path]] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._coming: list[str] = []
        self._places: dict[str, int] = {}

    def expect(self, urls: Sequence[object]) -> None:
        """Say which URLs a step will see, in order. Once it asks for one, those that follow are fetched meanwhile."""
        self._coming = [url for url in urls if isinstance(url, str) and url.startswith(_SCHEMES)]
        self._places = {url: place for place, url in enumerate(self._coming)}

    def place(self, url: str, path: Path) -> None:
        """Have what the URL gives at a path.

        Raises:
            MixpeekError: it cannot be fetched; the next call tries again.
        """
        future = self._future(url)
        self._fetch_ahead(url)
        try:
            kept = future.result()
        except BaseException:
            self._forget(url)
            raise
        try:
            path.unlink(missing_ok=True)
            _link(kept, path)
        except FileNotFoundError:
            # Other files pushed it out meanwhile.
            self._fetch(url, path)
        self._shrink()

    def close(self) -> None:
        """Delete the files."""
        self._pool.shutdown(cancel_futures=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _fetch_ahead(self, url: str) -> None:
        at = self._places.get(url)
        with self._lock:
            full = sum(self._sizes.values()) >= self._most
        if at is not None and not full:
            for following in self._coming[at + 1 : at + 1 + _AHEAD]:
                self._future(following)

    def _future(self, url: str) -> Future[Path]:
        with self._lock:
            if url not in self._files:
                self._files[url] = self._pool.submit(self._get, url)
            self._files.move_to_end(url)
            return self._files[url]

    def _get(self, url: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / hashlib.sha256(url.encode()).hexdigest()
        part = path.with_suffix(".part")
        self._fetch(url, part)
        # Not written in place: a link to an earlier file of this name may be out.
        part.replace(path)
        with self._lock:
            self._sizes[url] = path.stat().st_size
        return path

    def _forget(self, url: str) -> None:
        with self._lock:
            self._files.pop(url, None)
            self._sizes.pop(url, None)

    def _shrink(self) -> None:
        with self._lock:
            total = sum(self._sizes.values())
            for url in [url for url in self._files if url in self._sizes]:
                if total <= self._most:
                    return
                self._files.pop(url).result().unlink(missing_ok=True)
                total -= self._sizes.pop(url)


def _link(kept: Path, path: Path) -> None:
    try:
        os.link(kept, path)
    except OSError:
        # No links here, or another file system; a file that is gone is not there for the copy either.
        shutil.copyfile(kept, path)
