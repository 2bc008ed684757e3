"""Where a zip's directory is, found from its end records, which must agree with the file and with each other."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mixpeek_dagster.plugins.archive.file import REPACK, ArchiveFile

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_MAX_COMMENT = 2**16 - 1
_MAX_16, _MAX_32 = 2**16 - 1, 2**32 - 1
# A directory record with the longest name that is allowed and room for extra fields.
_MAX_RECORD = 46 + 2 * 4096
_OTHER_FORMATS = {
    b"\x1f\x8b": "a gzip file (tar.gz)",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"\x28\xb5\x2f\xfd": "a zstd file",
}


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may have at most."""

    packed_bytes: int = 500 * 2**20
    unpacked_bytes: int = 500 * 2**20
    files: int = 1000


@dataclass(frozen=True)
class Directory:
    """Where the list of entries is, and how many there are."""

    offset: int
    size: int
    count: int


def find_directory(archive: ArchiveFile, limits: ArchiveLimits) -> Directory:
    """The directory of a zip that is within the limits.

    Raises:
        ArchiveError: it is not a zip, is truncated or over a limit, or its end records do not agree.
    """
    return _Finder(archive, limits).find()


class _Finder:
    def __init__(self, archive: ArchiveFile, limits: ArchiveLimits) -> None:
        self._archive = archive
        self._limits = limits

    def find(self) -> Directory:
        size = self._archive.size
        if size > self._limits.packed_bytes:
            why = f"{size:,} bytes, {self._limits.packed_bytes:,} are allowed"
            self._archive.refuse(why, "Leave out what the plugin can download, such as model weights")
        if not size:
            self._archive.refuse("the file is empty", REPACK)
        self._require_zip()
        end = self._end_record()
        directory = self._at_64(end) if self._has_64(end) else self._at_32(end)
        if not directory.count:
            self._archive.refuse("it has no entries", REPACK)
        if directory.count > self._limits.files:
            self._archive.refuse(
                f"it has {directory.count:,} entries, {self._limits.files:,} are allowed", "Leave some out"
            )
        if directory.size > directory.count * _MAX_RECORD:
            self._archive.refuse(f"its directory has {directory.size:,} bytes for {directory.count:,} entries")
        return directory

    def _require_zip(self) -> None:
        head = self._archive.read(0, 512)
        tar = "a tar archive" if head[257:262] == b"ustar" else ""
        other = next((kind for magic, kind in _OTHER_FORMATS.items() if head.startswith(magic)), tar)
        if other:
            self._archive.refuse(f"it is {other}, not a zip", REPACK)
        if not head.startswith((b"PK\3\4", b"PK\5\6")):
            self._archive.refuse("it is not a zip: it does not begin with an entry", REPACK)

    def _end_record(self) -> int:
        """Offset of the end record, which with its comment ends the file."""
        start = max(self._archive.size - _END.size - _MAX_COMMENT, 0)
        tail = self._archive.read(start, self._archive.size - start)
        found = tail.rfind(b"PK\5\6", 0, max(len(tail) - _END.size + 4, 0))
        if found < 0:
            self._archive.refuse("it has no end record: it is truncated, or not a zip", REPACK)
        comment_size = _END.unpack_from(tail, found)[-1]
        if found + _END.size + comment_size != len(tail):
            self._archive.refuse("its end record does not end the file: it is truncated, or other data follows it")
        return start + found

    def _has_64(self, end: int) -> bool:
        return self._archive.read(max(end - _LOCATOR_64.size, 0), 4) == b"PK\6\7"

    def _at_32(self, end: int) -> Directory:
        _, *disks, here, count, size, offset, _ = _END.unpack(self._archive.read(end, _END.size))
        return self._checked(disks, here, Directory(offset, size, count), end)

    def _at_64(self, end: int) -> Directory:
        short = _END.unpack(self._archive.read(end, _END.size))
        _, locator_disk, record, disks_in_all = _LOCATOR_64.unpack(
            self._archive.read(end - _LOCATOR_64.size, _LOCATOR_64.size)
        )
        data = self._archive.read(record, _END_64.size) if record == end - _LOCATOR_64.size - _END_64.size else b""
        if not data.startswith(b"PK\6\6"):
            self._archive.refuse("its zip64 end record is not where its locator says")
        _, record_size, _, _, *disks, here, count, size, offset = _END_64.unpack(data)
        both = zip((*disks, here, count, size, offset), short[1:7], (*[_MAX_16] * 4, _MAX_32, _MAX_32), strict=True)
        agree = all(narrow in (wide, most) for wide, narrow, most in both)
        if record_size != _END_64.size - 12 or not agree:
            self._archive.refuse("its zip64 end record differs from its end record")
        return self._checked([*disks, locator_disk, disks_in_all - 1], here, Directory(offset, size, count), record)

    def _checked(self, disks: list[int], here: int, directory: Directory, end: int) -> Directory:
        if any(disk > 0 for disk in disks) or here != directory.count:
            self._archive.refuse("it is one part of several", "Pack the folder again as one zip")
        if directory.offset + directory.size != end:
            self._archive.refuse(
                "its directory is not where its end record says: it is truncated, or data was put before it"
            )
        return directory
