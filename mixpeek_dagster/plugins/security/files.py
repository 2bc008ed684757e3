"""A plugin's files that are no Python source: some carry code that nobody can read before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mixpeek_dagster.plugins.security.rules import DATA_CODE, HIDDEN_CODE, Rule, words

_HEAD = 512
_COMPILED = frozenset(
    {".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib", ".o", ".a", ".exe", ".jar", ".wasm", ".egg", ".whl"}
)
_RUN_BY_NAME = words(".sh .bash .bat .cmd .ps1 .pyw .pyx .pyz .ipynb")
_PICKLES = words(".pkl .pickle .joblib .dill")
_ARRAYS = words(".npy .npz")
_TORCH = words(".pt .ckpt .bin .pth")
_MAGIC = {
    b"\x7fELF": "a compiled program or library",
    b"MZ": "a Windows program or library",
    b"\xca\xfe\xba\xbe": "a compiled program or class",
    b"\xcf\xfa\xed\xfe": "a compiled program or library",
    b"\xfe\xed\xfa\xcf": "a compiled program or library",
    b"\0asm": "a WebAssembly module",
    b"#!": "a script",
}
_PICKLE_STARTS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


def inspect_file(path: Path) -> tuple[Rule, str] | None:
    """The rule that a file which is no .py breaks, and what it is; None if it is only data.

    Raises:
        OSError: it cannot be read.
    """
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if kind := _code(suffix, head):
        return HIDDEN_CODE, kind
    if kind := _data(suffix, head):
        return DATA_CODE, kind
    return None


def unseen_code(folder: Path) -> Iterator[tuple[Path, str]]:
    """What Python would import in place of, or beside, the source that is read."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_symlink() and not hidden:
            yield path, "a symbolic link"
        elif path.suffix == ".pyc" and _is_imported_unseen(path):
            yield path, "a .pyc file"


def _is_imported_unseen(path: Path) -> bool:
    if path.parent.name == "__pycache__" and "-pytest-" in path.name.partition(".")[2]:
        return False  # pytest's own: Python imports only what has Python's tag after the module's name
    return "__pycache__" not in path.parts or _is_unchecked(path)


def _is_unchecked(path: Path) -> bool:
    """Whether compiled code is imported without a look at its source; what Python itself writes there is not.

    Source: PEP 552, flags of hash-based files.
    """
    with path.open("rb") as file:
        return file.read(8)[4:8] != bytes(4)


def _code(suffix: str, head: bytes) -> str | None:
    if suffix in _COMPILED:
        return f"a {suffix} file"
    if suffix == ".pth" and not head.startswith((b"PK", *_PICKLE_STARTS)):
        return "a .pth file, whose lines Python runs at start-up,"
    if _is_bytecode(head):
        return "compiled Python"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def _data(suffix: str, head: bytes) -> str | None:
    if suffix in _RUN_BY_NAME:
        return f"a {suffix} file"
    if suffix in _PICKLES or head.startswith(_PICKLE_STARTS):
        return "a pickle"
    if suffix in _TORCH and head.startswith(b"PK"):
        return "a checkpoint with a pickle in it"
    if suffix in _ARRAYS and b"'descr': '|O'" in head:
        return "an array of pickled objects"
    return None


def _is_bytecode(head: bytes) -> bool:
    # Every CPython writes a version number and then these two bytes.
    return len(head) >= 16 and head[2:4] == b"\r\n" and head[4:8] in {bytes(4), b"\1\0\0\0", b"\3\0\0\0"}
