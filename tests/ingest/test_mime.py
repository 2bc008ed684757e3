"""What a file is, by its name or, where that is silent, by its content."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from mixpeek_dagster.ingest.mime import blob_type, detect_mime

_UNKNOWN = "application/octet-stream"


def _png() -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (1, 1)).save(sink, "PNG")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("key", "mime", "kind"),
    [
        ("a/b.md", "text/markdown", "text"),
        ("a.TXT", "text/plain", "text"),
        ("a.py", "text/x-python", "text"),
        ("a.json", "application/json", "text"),
        ("a.jsonl", "application/x-ndjson", "text"),
        ("a.yml", "application/yaml", "text"),
        ("a.JPG", "image/jpeg", "image"),
        ("a.webp", "image/webp", "image"),
        ("a.mp4", "video/mp4", "video"),
        ("a.mkv", "video/x-matroska", "video"),
        ("a.flac", "audio/flac", "audio"),
        ("a.tar.pdf", "application/pdf", "pdf"),
        ("a.zip", "application/zip", "binary"),
    ],
)
def test_a_name_says_what_a_file_is(key: str, mime: str, kind: str) -> None:
    assert detect_mime(key, b"\0\1") == mime
    assert blob_type(mime) == kind


@pytest.mark.parametrize("key", ["file", "folder.md/file", "file.", "file.nobody-knows", "file.bin"])
@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (_png(), "image/png"),
        ("schöner Text".encode(), "text/plain"),
        (b"\0\1\2", _UNKNOWN),
        (b"\xff\xfe\xfd\xfc", _UNKNOWN),
        (b"", "text/plain"),
    ],
    ids=["png", "text", "nul", "no-utf8", "empty"],
)
def test_content_says_what_a_file_with_a_silent_name_is(key: str, head: bytes, mime: str) -> None:
    assert detect_mime(key, head) == mime


@pytest.mark.parametrize("cut", [8192, 8193, 8194, 8195])
def test_a_character_cut_at_the_end_of_the_head_is_still_text(cut: int) -> None:
    head = ("x" + "😀" * 4096).encode()[:cut]
    assert detect_mime("file", head) == "text/plain"


def test_an_unknown_type_is_binary() -> None:
    assert blob_type(_UNKNOWN) == "binary"
