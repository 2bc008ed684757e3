"""Real texts of mixed length: docstrings of installed packages, whole or by paragraph."""

from __future__ import annotations

import ast
import hashlib
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_MIN_CHARACTERS = 40


def write_texts(folder: Path, count: int, *, paragraphs: bool = False) -> None:
    """Write `count` different docstrings, or paragraphs of docstrings, as text files.

    Raises:
        SystemExit: the installed packages do not have that many.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    texts = _docstrings()
    for text in _distinct(_paragraphs(texts) if paragraphs else texts):
        (folder / f"{written:06d}.txt").write_text(text, encoding="utf-8")
        written += 1
        if written == count:
            return
    raise SystemExit(f"only {written} docstrings are installed, {count} are wanted")


def _distinct(texts: Iterator[str]) -> Iterator[str]:
    seen: set[bytes] = set()
    for text in texts:
        digest = hashlib.sha256(text.encode()).digest()
        if digest not in seen:
            seen.add(digest)
            yield text


def _paragraphs(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        yield from (part for part in re.split(r"\n\s*\n", text) if len(part) >= _MIN_CHARACTERS)


def _docstrings() -> Iterator[str]:
    paths = sysconfig.get_paths()
    for root in (paths["stdlib"], paths["purelib"]):
        for path in sorted(Path(root).rglob("*.py")):
            yield from _docstrings_of(path)


def _docstrings_of(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            if len(text) >= _MIN_CHARACTERS:
                yield text
