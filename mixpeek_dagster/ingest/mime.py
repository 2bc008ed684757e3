"""What a file is: by its name, and by its content when the name is silent."""

from __future__ import annotations

import codecs
import mimetypes

import filetype

_UNKNOWN = "application/octet-stream"
_TEXT_APPLICATIONS = frozenset(
    {
        "application/json",
        "application/xml",
        "application/yaml",
        "application/toml",
        "application/javascript",
        "application/x-ndjson",
        "application/sql",
    }
)
_EXTRA = {
    ".md": "text/markdown",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".mkv": "video/x-matroska",
    ".py": "text/x-python",
    ".rst": "text/x-rst",
    ".log": "text/plain",
}


def detect_mime(key: str, head: bytes) -> str:
    """MIME type of a file.

    Args:
        key: its name or key.
        head: its first bytes, some kilobytes; looked at only when the name says nothing.
    """
    name = key.rpartition("/")[2]
    suffix = f".{name.rpartition('.')[2].lower()}" if "." in name else ""
    by_name = _EXTRA.get(suffix) or mimetypes.types_map.get(suffix)
    return by_name if by_name and by_name != _UNKNOWN else _by_content(head)


def blob_type(mime_type: str) -> str:
    """`text`, `image`, `video`, `audio`, `pdf`, or `binary` for anything else."""
    major = mime_type.partition("/")[0]
    if major in ("text", "image", "video", "audio"):
        return major
    if mime_type == "application/pdf":
        return "pdf"
    return "text" if mime_type in _TEXT_APPLICATIONS else "binary"


def _by_content(head: bytes) -> str:
    kind = filetype.guess_mime(head) if head else None
    if kind:
        return str(kind)
    return "text/plain" if _is_text(head) else _UNKNOWN


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        # Not final: the last character may be cut in two.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
