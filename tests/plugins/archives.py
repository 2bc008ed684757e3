"""Zips made by the tests, and what unpacking one leaves on the disk."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from mixpeek_dagster.errors import ArchiveError
from mixpeek_dagster.plugins.archive import ArchiveLimits, unpack

MANIFEST, PIPELINE = b"version = '1.0.0'\n", b"def build_steps(): ...\n"
GOOD = {"manifest.py": MANIFEST, "pipeline.py": PIPELINE}


def zipped(entries: dict[str, bytes] | list[tuple[zipfile.ZipInfo | str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items() if isinstance(entries, dict) else entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def with_good(*more: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    return zipped([*GOOD.items(), *more])


def info(name: str, *, mode: int = 0, flags: int = 0, directory: bool = False) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    entry.flag_bits |= flags
    entry.create_system = 3
    return entry


class Try:
    """Unpacks bytes, and sees that a refusal leaves nothing anywhere."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "inside" / "plugin"
        self.archive = root / "plugin.zip"

    def __call__(self, content: bytes, limits: ArchiveLimits | None = None) -> list[str]:
        self.archive.write_bytes(content)
        unpack(self.archive, self.folder, limits or ArchiveLimits())
        return sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*") if p.is_file())

    def refused(self, content: bytes, limits: ArchiveLimits | None = None) -> str:
        with pytest.raises(ArchiveError) as error:
            self(content, limits)
        self.require_clean()
        return str(error.value)

    def require_clean(self) -> None:
        assert not self.folder.exists()
        left = {path for path in self.root.rglob("*") if path not in (self.archive, self.folder.parent)}
        assert left == set()
