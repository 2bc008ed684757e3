"""Which names an archive's entries may have, so that they mean the same file on every system."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

MAX_DEPTH = 32
MAX_PART_BYTES = 255
MAX_NAME_BYTES = 4096
_CONTROL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JUNK_TOP = "__MACOSX"
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
)


def shown(name: str) -> str:
    """A name as an error may show it: on one line, with nothing that a terminal would obey."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= 200 else f"{text[:200]}..."


def name_problem(name: str) -> str:
    """Why an entry may not have this name, or nothing."""
    whole = {
        "its name is empty": not name,
        "its name has a control or invisible character": any(map(_is_control, name)),
        "its name is an absolute path": name.startswith("/"),
        "its name has a backslash": "\\" in name,
        "its name has a colon, which is a drive or a stream on Windows": ":" in name,
        f"its name is longer than {MAX_NAME_BYTES} bytes": len(name) > MAX_NAME_BYTES,
        f"it is deeper than {MAX_DEPTH} levels": name.removesuffix("/").count("/") >= MAX_DEPTH,
    }
    problem = next((why for why, is_so in whole.items() if is_so), "")
    return problem or next(filter(None, map(_part_problem, name.removesuffix("/").split("/"))), "")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _CONTROL


def _part_problem(part: str) -> str:
    if part in {"", ".", ".."}:
        return f"its name has {part!r} as a part"
    if len(part.encode()) > MAX_PART_BYTES:
        return f"a part of its name is longer than {MAX_PART_BYTES} bytes"
    if part.split(".", maxsplit=1)[0].rstrip().casefold() in _RESERVED:
        return f"{part!r} is a reserved name on Windows"
    if part.endswith((" ", ".")):
        return f"{part!r} ends with a dot or a space, which Windows drops"
    return ""


@dataclass
class NameTree:
    """Entries as a file system that knows no case and only one Unicode form would hold them.

    A tree and not a set of paths: deep names would make every prefix a string of its own.
    """

    spelling: str = ""
    is_file: bool = False
    named: bool = False
    children: dict[str, NameTree] = field(default_factory=dict)

    def clash(self, parts: tuple[str, ...], *, is_file: bool) -> str:
        """Add an entry; say why it and one before cannot both be, or nothing."""
        node = self
        for part in parts:
            if node.is_file:
                return f"{node.spelling!r} is both a file and a folder"
            node = node.children.setdefault(_key(part), NameTree(part))
            if node.spelling != part:
                return f"{part!r} and {node.spelling!r} are one name where case or Unicode form does not count"
        if node.named:
            return "two entries have this name" if node.is_file == is_file else "it is both a file and a folder"
        if is_file and node.children:
            return "it is both a file and a folder"
        node.named, node.is_file = True, is_file
        return ""


def _key(part: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())


def is_junk(parts: tuple[str, ...]) -> bool:
    """What a file manager or a version control system left there; it is no second top folder."""
    return parts[0] == _JUNK_TOP or any(part.startswith(".") for part in parts)
