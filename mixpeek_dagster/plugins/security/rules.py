"""Rules that plugins must keep: why each is there, and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
PATH = "pathlib.Path()"
"""How an instance of `pathlib.Path` is written among the names."""


@dataclass(frozen=True)
class Rule:
    """Why something is refused or doubtful, under a stable code."""

    code: str
    why: str
    fix: str
    severity: Severity = "error"


EXECUTION = Rule("SEC101", "runs commands", "Use requests or httpx for HTTP and libraries for the rest")
DYNAMIC_CODE = Rule("SEC102", "runs text as code", "Use json.loads() to parse and dataclasses for configuration")
DYNAMIC_IMPORT = Rule("SEC103", "imports what only the running program knows", "Write a plain import statement")
LOW_LEVEL = Rule("SEC201", "gives low-level access to the system", "Use requests, httpx or aiohttp for HTTP")
PROCESSES = Rule(
    "SEC202", "starts or ends processes", "Return the batch from __call__; steps are run in parallel already"
)
FILES = Rule("SEC301", "opens files", "Embed configuration in Python; models and media are read by their libraries")
MUTATION = Rule("SEC302", "changes attributes of any object", "Assign it by its name, or in the constructor")
FILE_CHANGES = Rule("SEC303", "changes or deletes files", "Write to a tempfile.TemporaryDirectory()", "warning")
UNPICKLING = Rule("SEC401", "runs code that is hidden in data", "Use safetensors, JSON or Arrow")
PICKLES = Rule("SEC402", "can run code that is hidden in data", "Use safetensors, JSON or Arrow", "warning")
REMOTE_CODE = Rule(
    "SEC403", "runs code that is not in the plugin", "Use models whose code ships in a library", "warning"
)
NATIVE_CODE = Rule("SEC404", "loads compiled code", "Use a library that is installed")
INTROSPECTION = Rule("SEC501", "reaches around the plugin's own names", "Name what you need, or import it")
ESCAPE = Rule("SEC502", "is handed on as a value, so nothing shows what is used of it", "Use its attributes directly")
COMPUTED = Rule("SEC503", "has its attribute chosen at run time", "Write the attribute's name", "warning")
PLATFORM = Rule("SEC504", "belongs to the platform, not to plugins", "Import from engine.* and shared.*")
DOUBTFUL = Rule("SEC304", "may open a file", "Read media with open_asset, HTTP with requests or httpx", "warning")
STAR = Rule("SEC506", "can bring any name", "Import what you need by name")
UNSEEN = Rule("SEC507", "is not scanned, since it is not uploaded", "Move the module out of that folder")
PRIVATE = Rule("SEC508", "is private to its library", "Use what the library documents")
PRIVATE_ELSEWHERE = Rule(PRIVATE.code, PRIVATE.why, PRIVATE.fix, "warning")
COMPUTED_TEXT = Rule("SEC509", "is put together at run time, and is run as code", "Write it as one text", "warning")
UNREADABLE = Rule("SEC601", "cannot be read as Python", "Save it as Python source in UTF-8")
ENCODING = Rule("SEC602", "is not in UTF-8", "Save the file as UTF-8 and remove the coding comment")
TOO_COMPLEX = Rule("SEC603", "is too large or too deeply nested to be checked", "Split it")
HIDDEN_CODE = Rule("SEC701", "carries code that cannot be checked", "Leave it out; ship Python source")
DATA_CODE = Rule("SEC702", "can run code when it is loaded", "Ship safetensors, JSON or ONNX", "warning")


def words(text: str) -> frozenset[str]:
    """The words of a text: long tables of names read better without quotes."""
    return frozenset(text.split())
