"""Archives that are no plugin's: each is refused, and leaves nothing on the disk."""

from __future__ import annotations

import io
import os
import shutil
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.plugins.archive import ArchiveLimits
from tests.plugins.archives import GOOD, MANIFEST, PIPELINE, Try, info, with_good, zipped


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../escape.py", "'..'"),
        ("a/../../escape.py", "'..'"),
        ("/etc/escape.py", "absolute"),
        ("a//b.py", "''"),
        ("./a.py", "'.'"),
        ("a\\..\\b.py", "backslash"),
        ("C:/escape.py", "colon"),
        ("a\tb.py", "control"),
        ("a\u202eyp.exe", "invisible"),
        ("con.py", "reserved"),
        ("a/NUL", "reserved"),
        ("a./b.py", "dot"),
        ("x" * 300, "255 bytes"),
        ("a/" * 40 + "b.py", "deeper"),
    ],
)
def test_a_name_that_could_be_another_file_is_refused(attempt: Try, name: str, why: str) -> None:
    assert why in attempt.refused(with_good((info(name), b"x")))


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("a.py", "a.py"), "two entries"),
        (("a.py", "A.py"), "case"),
        (("caf\u00e9.py", "cafe\u0301.py"), "Unicode"),
        (("x/a.py", "X/b.py"), "case"),
        (("a", "a/b.py"), "file and a folder"),
        (("a/b.py", "a"), "file and a folder"),
        (("stra\u00dfe.py", "STRASSE.py"), "case"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_meet_on_another_system_are_refused(attempt: Try, names: tuple[str, str], why: str) -> None:
    assert why in attempt.refused(with_good(*[(name, b"x") for name in names]))


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (stat.S_IFLNK | 0o777, "symbolic link"),
        (stat.S_IFCHR | 0o666, "device"),
        (stat.S_IFIFO | 0o666, "pipe"),
        (stat.S_IFSOCK | 0o666, "socket"),
        (stat.S_IFDIR | 0o755, "both a file and a folder"),
    ],
)
def test_what_is_no_regular_file_is_refused(attempt: Try, mode: int, why: str) -> None:
    assert why in attempt.refused(with_good((info("odd", mode=mode), b"/etc/passwd")))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(attempt: Try, method: int) -> None:
    entry = info("a.py")
    entry.compress_type = method
    buffer = io.BytesIO(with_good())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(entry, b"x" * 100, method)
    assert "compressed with method" in attempt.refused(buffer.getvalue())


def test_an_encrypted_entry_is_refused(attempt: Try) -> None:
    content = bytearray(with_good())
    content[6] |= 1
    directory = content.index(b"PK\1\2")
    content[directory + 8] |= 1
    assert "encrypted" in attempt.refused(bytes(content))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"hello", "not a zip"),
        (b"\x1f\x8b" + bytes(50), "gzip"),
        (zipped({}), "no entries"),
        (zipped(GOOD)[:-30], "truncated"),
        (zipped(GOOD) + b"trailing", "other data follows"),
        (b"MZ prefix" + zipped(GOOD), "not a zip"),
        (zipped({"manifest.py": MANIFEST}), "pipeline.py"),
        (zipped({"a/manifest.py": MANIFEST, "b/pipeline.py": PIPELINE}), "only top folder"),
        (zipped({"a/b/manifest.py": MANIFEST, "a/b/pipeline.py": PIPELINE}), "only top folder"),
    ],
)
def test_what_is_no_plugins_zip_is_refused(attempt: Try, content: bytes, why: str) -> None:
    assert why in attempt.refused(content)


def test_a_tarball_is_refused(attempt: Try) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("manifest.py"), io.BytesIO())
    assert "tar archive" in attempt.refused(buffer.getvalue())


def test_wrong_checksum_is_refused(attempt: Try) -> None:
    content = bytearray(zipped([*GOOD.items()]))
    for offset in (14, content.index(b"PK\1\2") + 16):
        content[offset : offset + 4] = struct.pack("<L", zlib.crc32(MANIFEST) ^ 1)
    assert "checksum" in attempt.refused(bytes(content))


@pytest.mark.parametrize(("offset", "what"), [(4 + 2 + 2 + 2 + 4, "checksum"), (22, "sizes"), (8, "method")])
def test_a_directory_that_differs_from_the_entries_is_refused(attempt: Try, offset: int, what: str) -> None:
    content = bytearray(zipped(GOOD))
    content[offset] ^= 8
    assert what in attempt.refused(bytes(content))


def test_an_entry_that_holds_more_than_it_declares_is_refused_while_it_is_inflated(attempt: Try) -> None:
    content = bytearray(with_good(("big.txt", bytes(50_000_000))))
    at = content.index(b"big.txt") - 30
    directory = content.rindex(b"big.txt") - 46
    content[at + 22 : at + 26] = content[directory + 24 : directory + 28] = struct.pack("<L", 100)
    assert "more than the 100 bytes" in attempt.refused(bytes(content))


def test_a_gigabyte_of_zeros_is_refused_at_once(attempt: Try) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in GOOD.items():
            archive.writestr(name, content)
        with archive.open("zeros.txt", "w", force_zip64=True) as file:
            for _ in range(1024):
                file.write(bytes(2**20))
    before = time.monotonic()
    assert "unpacked" in attempt.refused(buffer.getvalue())
    assert time.monotonic() - before < 60


def test_overlapping_entries_are_refused(attempt: Try) -> None:
    content = bytearray(with_good(("a.bin", b"a" * 1000), ("b.bin", b"a" * 1000)))
    first = content.index(b"PK\3\4", content.index(b"pipeline.py"))
    directory = content.rindex(b"b.bin") - 46
    content[directory + 42 : directory + 46] = struct.pack("<L", first)
    assert attempt.refused(bytes(content))


def test_limits_are_on_packed_unpacked_and_files(attempt: Try) -> None:
    content = with_good(("a.txt", os.urandom(5000)))
    assert "4,000 are allowed" in attempt.refused(content, ArchiveLimits(packed_bytes=4000))
    assert "4,999 are allowed" in attempt.refused(content, ArchiveLimits(unpacked_bytes=4999))
    assert "2 are allowed" in attempt.refused(content, ArchiveLimits(files=2))
    assert len(attempt(content, ArchiveLimits(len(content), 6000, 3))) == 3


def test_many_files_are_counted_before_any_is_read(attempt: Try) -> None:
    content = zipped({f"{number}.txt": b"" for number in range(60_000)})
    before = time.monotonic()
    assert "60,000 entries, 1,000 are allowed" in attempt.refused(content)
    assert time.monotonic() - before < 20


def test_a_nested_bomb_stays_a_file(attempt: Try) -> None:
    inner = zipped({"zeros": bytes(10_000_000)})
    assert "inner.zip" in attempt(with_good(("inner.zip", inner)))


_VALID = zipped(
    {f"my_plugin/{name}": content for name, content in GOOD.items()}
    | {"my_plugin/processors/core.py": b"class A: ...\n" * 20, "my_plugin/labels.json": b"{}"}
)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_mutation_crashes_hangs_or_writes_outside(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(_VALID)
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, max(len(content) - 1, 0)))
        kind = data.draw(st.sampled_from(["flip", "insert", "cut", "copy", "number"]))
        if kind == "flip" and content:
            content[start] ^= data.draw(st.integers(1, 255))
        elif kind == "insert":
            content[start:start] = data.draw(st.binary(max_size=8))
        elif kind == "cut":
            del content[start : start + data.draw(st.integers(1, 40))]
        elif kind == "copy":
            content[start:start] = content[start : start + data.draw(st.integers(1, 80))]
        else:
            number = data.draw(st.sampled_from([0, 1, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF]))
            content[start : start + 4] = struct.pack("<L", number)
    root = tmp_path / str(time.monotonic_ns())
    root.mkdir()
    attempt = Try(root)
    try:
        names = attempt(bytes(content), ArchiveLimits(files=50, unpacked_bytes=2**20))
    except MixpeekError:
        attempt.require_clean()
    else:
        assert {"manifest.py", "pipeline.py"} <= set(names)
        assert {path.name for path in root.iterdir()} == {"inside", "plugin.zip"}
    shutil.rmtree(root)
