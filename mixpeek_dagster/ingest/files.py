"""Files of this machine: found, and described by what the catalog needs to know of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixpeek_dagster.errors import InvalidRequest, NotFound
from mixpeek_dagster.ingest.mime import detect_mime

_HEAD = 8192


@dataclass(frozen=True)
class FileEntry:
    """What is known of a file without having it.

    Args:
        key: of its object in a bucket.
        content_hash: sha256 of its content, in hexadecimal.
        mime_type: by its name, or by its content when the name is silent.
    """

    key: str
    size_bytes: int
    content_hash: str
    mime_type: str


@dataclass(frozen=True)
class LocalFile:
    """A file and the key that its object will have."""

    path: Path
    key: str

    def describe(self) -> FileEntry:
        """Read it once, in pieces."""
        digest = hashlib.sha256()
        with self.path.open("rb") as stream:
            head = stream.read(_HEAD)
            digest.update(head)
            while piece := stream.read(1 << 20):
                digest.update(piece)
        return FileEntry(self.key, self.path.stat().st_size, digest.hexdigest(), detect_mime(self.key, head))


def find_files(paths: Sequence[Path]) -> list[LocalFile]:
    """Files under paths, in order; hidden ones are left out.

    A file's key is its name; below a folder it is the folder's name and the path in it.

    Raises:
        NotFound: a path does not exist.
        InvalidRequest: there is no file under the paths, or two have one key.
    """
    files = list(_walk(paths))
    if not files:
        raise InvalidRequest("these paths", why="there is no file under them", fix="Hidden files are left out")
    seen: dict[str, Path] = {}
    for file in files:
        if file.key in seen:
            why = f"{seen[file.key]} and {file.path} would both be object {file.key!r}"
            raise InvalidRequest("these paths", why=why, fix="Ingest them under one common folder")
        seen[file.key] = file.path
    return files


def _walk(paths: Sequence[Path]) -> Iterator[LocalFile]:
    for path in paths:
        if not path.exists():
            raise NotFound(f"path {str(path)!r}", fix="Name files or folders that exist")
        if path.is_file():
            yield LocalFile(path, path.name)
            continue
        root = path.resolve()
        for file in sorted(root.rglob("*")):
            relative = file.relative_to(root)
            hidden = any(part.startswith(".") for part in relative.parts)
            if file.is_file() and not hidden:
                yield LocalFile(file, f"{root.name}/{relative.as_posix()}")
