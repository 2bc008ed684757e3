"""Folders of files in S3 below a prefix: `prefix/org/name/file`."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mixpeek_dagster.errors import StoreError
from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.s3_url import S3Url

_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class ListedFile:
    """A file of a folder: its name below the folder, its size in bytes, and its etag without quotes."""

    name: str
    size: int
    etag: str


class S3Folders:
    """Folders that are named by two parts, such as `org/name`.

    Args:
        objects: the bucket.
        url: the prefix as an `s3://` URL, without a slash at its end.
    """

    def __init__(self, objects: ObjectStore, url: str) -> None:
        self._objects = objects
        self.url = url
        self._prefix = S3Url.parse(url).key

    def prepare(self) -> None:
        """Make the bucket unless it is there; on AWS it must be."""
        self._objects.make_bucket()

    def sizes(self, marker: str) -> dict[str, int]:
        """Sizes in bytes of the folders that hold a file of this name, by folder."""
        sizes: Counter[str] = Counter()
        marked: set[str] = set()
        for key, _, size in self._listed(""):
            parts = key.split("/", 2)
            if len(parts) == 3:
                folder = "/".join(parts[:2])
                sizes[folder] += size
                marked.update({folder} if parts[2] == marker else ())
        return {folder: sizes[folder] for folder in sorted(marked)}

    def files(self, folder: str) -> list[ListedFile]:
        """A folder's files, by name; none if there is no such folder."""
        prefix = f"{folder}/"
        found = [ListedFile(key.removeprefix(prefix), size, etag) for key, etag, size in self._listed(prefix)]
        # Consoles make an empty object that stands for the folder.
        return sorted((file for file in found if file.name and not file.name.endswith("/")), key=lambda f: f.name)

    def fetch(self, folder: str, name: str, etag: str, path: Path) -> None:
        """Write a file's content to a path, if it is still the version that was listed.

        Raises:
            NotFound: it is gone.
            StoreError: it is another version, or what came is not what was kept.
        """
        url = f"{self.url}/{folder}/{name}"
        digest = hashlib.md5(usedforsecurity=False)
        plain = self._objects.fetch_version(url, etag, path, digest.update)
        if plain and _MD5.fullmatch(etag) and digest.hexdigest() != etag:
            raise StoreError(f"object {url!r}", why=f"{name} is damaged: its content does not fit its etag")

    def put(self, folder: str, files: Mapping[str, Path]) -> None:
        """Write files, one after the other in this order."""
        for name, path in files.items():
            self._objects.put(self._key(folder, name), path)

    def delete(self, folder: str, first: str) -> None:
        """Delete a folder's files, that of this name before all others."""
        names = [file.name for file in self.files(folder)]
        self._objects.delete([self._key(folder, name) for name in names if name == first])
        self._objects.delete([self._key(folder, name) for name in names if name != first])

    def _key(self, folder: str, name: str) -> str:
        return f"{self._prefix}/{folder}/{name}".removeprefix("/")

    def _listed(self, below: str) -> Iterator[tuple[str, str, int]]:
        prefix = f"{self._prefix}/".removeprefix("/")
        token = None
        while True:
            page = self._objects.list_page(self._objects.bucket, prefix + below, token)
            for key, etag, size in page.items:
                yield key.removeprefix(prefix), etag, size
            token = page.token
            if token is None:
                return
