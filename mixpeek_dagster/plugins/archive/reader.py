"""A zip archive read with suspicion: its directory is checked against its bytes before anything is inflated."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from mixpeek_dagster.plugins.archive.file import DAMAGED, REPACK, ArchiveFile
from mixpeek_dagster.plugins.archive.names import NameTree, name_problem
from mixpeek_dagster.plugins.archive.zip_directory import ArchiveLimits, Directory, find_directory

_PIECE = 2**20
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_32 = 2**32 - 1
_ZIP64_TAG = 1
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_DESCRIPTOR = 1 << 3
_UTF8 = 1 << 11
_COMPARED_FLAGS = _ENCRYPTED | _DESCRIPTOR | 1 << 5 | _UTF8
_RENAME = "Rename it and pack the folder again"


@dataclass(frozen=True)
class Entry:
    """A file or folder in an archive, and where its data is."""

    name: str
    is_file: bool
    start: int
    packed_size: int
    size: int
    crc: int
    deflated: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """The name's parts; a folder's trailing slash is not one."""
        return tuple(self.name.removesuffix("/").split("/"))


class ArchiveReader:
    """Reads an open zip archive.

    Args:
        file: the archive, seekable.
        name: what errors call it.
        limits: what it may have at most.
    """

    def __init__(self, file: BinaryIO, name: str, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._archive = ArchiveFile(file, name)

    def refuse(self, why: str, fix: str = DAMAGED, entry: str = "") -> NoReturn:
        """Raise the archive's error.

        Raises:
            ArchiveError: always.
        """
        self._archive.refuse(why, fix, entry)

    def entries(self) -> list[Entry]:
        """Every entry, in the directory's order, once all of them are known to be sound.

        Raises:
            ArchiveError: the archive is not a zip, is over a limit, or an entry is not what a plugin may have.
        """
        directory = find_directory(self._archive, self._limits)
        infos = self._infos(directory)
        tree = NameTree()
        entries = [self._entry(info, tree) for info in infos]
        unpacked = sum(entry.size for entry in entries)
        if unpacked > self._limits.unpacked_bytes:
            self._over_unpacked(unpacked)
        spans = [
            (info.header_offset, entry.start + entry.packed_size, entry.name)
            for info, entry in zip(infos, entries, strict=True)
        ]
        self._require_apart(sorted(spans), directory.offset)
        return entries

    def content(self, entry: Entry) -> Iterator[bytes]:
        """A file's content in pieces, never more than it declares.

        Raises:
            ArchiveError: the data is not what the archive's directory says.
        """
        size = crc = 0
        for piece in self._inflated(entry) if entry.deflated else self._packed(entry):
            size += len(piece)
            crc = zlib.crc32(piece, crc)
            if size > entry.size:
                self.refuse(f"it holds more than the {entry.size:,} bytes it declares", entry=entry.name)
            yield piece
        if size != entry.size:
            self.refuse(f"it holds {size:,} bytes but declares {entry.size:,}", entry=entry.name)
        if crc != entry.crc:
            self.refuse("its checksum is wrong", entry=entry.name)

    def _infos(self, directory: Directory) -> list[zipfile.ZipInfo]:
        try:
            infos = zipfile.ZipFile(self._archive.file).infolist()
        except UnicodeDecodeError as error:
            entry = error.object.decode(errors="backslashreplace")
            self.refuse("its name is not UTF-8, which it declares to be", _RENAME, entry)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
            self.refuse(f"its directory cannot be read: {error}")
        if len(infos) != directory.count:
            self.refuse(f"its directory has {len(infos):,} entries, its end record says {directory.count:,}")
        return infos

    def _entry(self, info: zipfile.ZipInfo, tree: NameTree) -> Entry:
        # Not `filename`: zipfile cuts that at a null byte.
        raw = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")
        name = _decoded(raw, info)
        is_file = not name.endswith("/")
        self._require_plain(info, name, is_file)
        entry = Entry(
            name=name,
            is_file=is_file,
            start=self._data_start(info, raw, name),
            packed_size=info.compress_size,
            size=info.file_size,
            crc=info.CRC,
            deflated=info.compress_type == zipfile.ZIP_DEFLATED,
        )
        if problem := tree.clash(entry.parts, is_file=is_file):
            self.refuse(problem, _RENAME, name)
        return entry

    def _require_plain(self, info: zipfile.ZipInfo, name: str, is_file: bool) -> None:
        """Refuse what only tricks and other uses of zip have."""
        if problem := name_problem(name):
            # An empty name would leave the error without its entry.
            self.refuse(problem, _RENAME, name or "(no name)")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = "a symbolic link" if kind == stat.S_IFLNK else "a device, pipe or socket"
            self.refuse(f"it is {what}", "Put a regular file there", name)
        if kind and is_file != (kind == stat.S_IFREG):
            self.refuse("it is both a file and a folder", entry=name)
        if not is_file and info.file_size:
            self.refuse("it is a folder with content", entry=name)
        if info.flag_bits & _ENCRYPTED:
            self.refuse("it is encrypted", "Pack the folder without a password", name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self.refuse(f"it is compressed with method {info.compress_type}", "Pack with deflate, as zip -r does", name)
        if info.volume:
            self.refuse("it is on another disk", "Pack the folder again as one zip", name)
        if info.file_size > self._limits.unpacked_bytes:
            self._over_unpacked(info.file_size, name)
        if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
            self.refuse("it is stored as it is, yet its two sizes differ", entry=name)

    def _over_unpacked(self, size: int, entry: str = "") -> NoReturn:
        why = f"{size:,} bytes unpacked, {self._limits.unpacked_bytes:,} are allowed"
        self.refuse(why, "Leave out what the plugin can download, such as model weights", entry)

    def _data_start(self, info: zipfile.ZipInfo, raw: bytes, name: str) -> int:
        """Where an entry's data begins, once its local header says what the directory says."""
        header = self._archive.read(info.header_offset, _LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
            self.refuse("there is no entry where the directory says", entry=name)
        _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(header)
        names = self._archive.read(info.header_offset + _LOCAL.size, name_size + extra_size)
        if len(names) < name_size + extra_size:
            self.refuse("its header is truncated", entry=name)
        if _MAX_32 in (packed, size):
            size, packed = _wide_sizes(names[name_size:], size, packed)
        wanted = (info.CRC, info.compress_size, info.file_size)
        # A descriptor after the data has what the writer did not know yet at the header.
        known = (0, 0, 0) if flags & _DESCRIPTOR else wanted
        differs = {
            "name": names[:name_size] != raw,
            "flags": (flags ^ info.flag_bits) & _COMPARED_FLAGS,
            "method": method != info.compress_type,
            "checksum": crc not in (wanted[0], known[0]),
            "sizes": packed not in (wanted[1], known[1]) or size not in (wanted[2], known[2]),
        }
        if different := [what for what, is_different in differs.items() if is_different]:
            self.refuse(f"its header and the directory differ in {' and '.join(different)}", entry=name)
        return int(info.header_offset + _LOCAL.size + name_size + extra_size)

    def _require_apart(self, spans: list[tuple[int, int, str]], directory: int) -> None:
        """Every byte belongs to one entry: else a small archive can hold the same large data many times."""
        if spans[0][0]:
            self.refuse("data comes before its first entry", REPACK)
        ends = [start for start, _, _ in spans[1:]] + [directory]
        for (_, end, name), limit in zip(spans, ends, strict=True):
            if end > limit:
                self.refuse("it overlaps with what follows it", entry=name)

    def _packed(self, entry: Entry) -> Iterator[bytes]:
        position, end = entry.start, entry.start + entry.packed_size
        while position < end:
            piece = self._archive.read(position, min(_PIECE, end - position))
            if not piece:
                self.refuse("it is truncated", entry=entry.name)
            position += len(piece)
            yield piece

    def _inflated(self, entry: Entry) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        for packed in self._packed(entry):
            if inflate.eof:
                break
            yield from self._pieces(inflate, packed, entry)
        yield from self._pieces(inflate, b"", entry)
        if not inflate.eof or inflate.unused_data:
            self.refuse("its compressed data does not end where it should", entry=entry.name)

    def _pieces(self, inflate: zlib._Decompress, packed: bytes, entry: Entry) -> Iterator[bytes]:
        while not inflate.eof:
            try:
                piece = inflate.decompress(packed, _PIECE)
            except zlib.error as error:
                self.refuse(f"its compressed data is damaged: {error}", entry=entry.name)
            packed = inflate.unconsumed_tail
            if piece:
                yield piece
            elif not packed:
                return


def _decoded(raw: bytes, info: zipfile.ZipInfo) -> str:
    # Linux's zip writes UTF-8 without saying so.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return info.orig_filename


def _wide_sizes(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """The sizes in a zip64 field, for those that the header leaves to it."""
    while len(extra) >= 4:
        tag, length = struct.unpack_from("<2H", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if tag == _ZIP64_TAG:
            numbers = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
            size = next(numbers, size) if size == _MAX_32 else size
            packed = next(numbers, packed) if packed == _MAX_32 else packed
    return size, packed
