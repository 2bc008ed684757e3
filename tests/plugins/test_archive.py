"""Archives: a folder that is packed and unpacked is the same plugin; what is left out, and what cannot be packed."""

from __future__ import annotations

import errno
import io
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mixpeek_dagster.errors import ArchiveError, PluginError, StoreError
from mixpeek_dagster.plugins.archive import ArchiveLimits, pack, unpack
from mixpeek_dagster.plugins.folder import code_hash
from tests.plugins.archives import GOOD, Try, with_good, zipped
from tests.plugins.conftest import MakePlugin


def test_a_folder_packed_and_unpacked_is_the_same_plugin(make_plugin: MakePlugin, tmp_path: Path) -> None:
    folder = make_plugin()
    packed = pack(folder, tmp_path / "plugin.zip")
    assert unpack(tmp_path / "plugin.zip", tmp_path / "out") == packed == code_hash(folder)
    assert (tmp_path / "out" / "processors" / "core.py").read_text() == (folder / "processors" / "core.py").read_text()


def test_the_same_files_give_the_same_bytes(make_plugin: MakePlugin, tmp_path: Path) -> None:
    folder = make_plugin()
    pack(folder, tmp_path / "one.zip")
    os.utime(folder / "manifest.py", (1, 1))
    (folder / "pipeline.py").chmod(0o600)
    pack(folder, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@pytest.mark.parametrize("top", ["", "my_plugin/", "Ä plugin/"])
def test_one_top_folder_or_none(attempt: Try, top: str) -> None:
    assert attempt(zipped({f"{top}{name}": content for name, content in GOOD.items()})) == sorted(GOOD)


def test_what_file_managers_and_caches_leave_is_left_out(attempt: Try) -> None:
    content = zipped(
        [
            *((f"p/{name}", content) for name, content in GOOD.items()),
            *[("__MACOSX/p/._manifest.py", b"x"), ("p/.DS_Store", b"x"), (".git/config", b"x")],
            *[("p/__pycache__/manifest.cpython-311.pyc", b"x"), ("p/stray.pyc", b"x"), ("p/tests/test_x.py", b"x")],
            ("p/data/labels.json", b"{}"),
        ]
    )
    assert attempt(content) == ["data/labels.json", "manifest.py", "pipeline.py"]


def test_stored_zip64_and_streamed_archives(attempt: Try) -> None:
    class Stream(io.RawIOBase):
        """Cannot seek, so that sizes come after the data."""

        def __init__(self) -> None:
            super().__init__()
            self.content = b""

        def writable(self) -> bool:
            return True

        def write(self, piece: bytes) -> int:  # type: ignore[override]
            self.content += bytes(piece)
            return len(piece)

    stream = Stream()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in GOOD.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    assert attempt(stream.content) == sorted(GOOD)


def test_a_full_disk_is_no_fault_of_the_archive(attempt: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def full(path: str, flags: int, *rest: int, **options: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StoreError, match="disk is full"):
        attempt(with_good())
    monkeypatch.undo()
    attempt.require_clean()


def test_a_folder_with_files_is_not_written_into(attempt: Try) -> None:
    attempt.folder.mkdir(parents=True)
    (attempt.folder / "kept.txt").write_text("kept")
    with pytest.raises(StoreError, match="not empty"):
        attempt(with_good())


def _leave_no_code(folder: Path) -> None:
    shutil.rmtree(folder / "processors")
    (folder / "manifest.py").unlink()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda folder: (folder / "link.py").symlink_to("/etc/passwd"), "symbolic link"),
        (lambda folder: (folder / "a\tb.py").write_text(""), "control"),
        (_leave_no_code, "manifest.py"),
    ],
)
def test_a_folder_that_cannot_be_an_archive_is_not_packed(
    make_plugin: MakePlugin, tmp_path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    folder = make_plugin()
    spoil(folder)
    with pytest.raises(PluginError, match=why):
        pack(folder, tmp_path / "plugin.zip")
    assert not (tmp_path / "plugin.zip").exists()


def test_a_folder_is_not_packed_into_itself_or_over_a_limit(make_plugin: MakePlugin, tmp_path: Path) -> None:
    folder = make_plugin()
    with pytest.raises(ArchiveError, match="itself"):
        pack(folder, folder / "plugin.zip")
    with pytest.raises(ArchiveError, match="2 are allowed"):
        pack(folder, tmp_path / "plugin.zip", ArchiveLimits(files=2))
    with pytest.raises(ArchiveError, match="10 are allowed"):
        pack(folder, tmp_path / "plugin.zip", ArchiveLimits(packed_bytes=10))
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
