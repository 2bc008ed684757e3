"""The guide of the original for plugin authors, read from the folder beside this checkout, if it is there.

It is another's text, so it is no part of this repository: the blocks are found in it by their headings when a test
wants them. What it says has lost its indentation; `BLOCKS` holds that, a digit for each statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "shared" / "seed" / "plugins.md"
needs_guide = pytest.mark.skipif(not FILE.is_file(), reason=f"the guide is not beside the checkout: no {FILE}")

_STRING = re.compile(r'"""(?:[^"]|"(?!""))*"""|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
_SHELL = ("curl ", "zip ")


@dataclass(frozen=True)
class Block:
    """Where Python stands in the guide.

    Attributes:
        heading: how the line above it, or above its section, begins; it stands once in the guide.
        first: how its own first line begins.
        levels: how deep each statement is indented; comments and lines in brackets do not count.
    """

    heading: str
    first: str
    levels: str


_IMAGE = "Example: Image Classification Plugin"
_VLM = "Example: VLM Analyzer Plugin"
BLOCKS = {
    "my_extractor/manifest.py": Block("2. Define Your Plugin", "from pydantic", "0001011011000000"),
    "my_extractor/processors/core.py": Block("3. Implement Batch", "from dataclasses", "0000110112212233312222222"),
    "my_extractor/pipeline.py": Block("4. Wire Into Pipeline", "from engine", "0000111111"),
    "my_extractor/realtime.py": Block("5. Add Real-time Endpoint", "from shared", "00112212233222"),
    "features/right": Block("# ✅ CORRECT", "features", "0"),
    "features/wrong": Block("# ❌ WRONG", "features", "0"),
    "features/several": Block("Multiple vectors are supported", "features", "0"),
    "assets/open_asset": Block("Loading Assets from S3 URLs", "from shared.plugins import open_asset", "001233442"),
    "assets/texts": Block("For text blobs, the data column", "class MyTextProcessor", "01222"),
    "assets/download_asset": Block("If you need the raw", "from shared.plugins import download_asset", "00010122"),
    "services/batch": Block("Option 1: Import Batch", "from shared.inference", "000001111"),
    "services/http": Block("Option 2: Call Real-time", "import httpx", "001122"),
    "models/load_hf_model": Block("1. HuggingFace Models", "from engine.models", "00012212333333"),
    "models/namespace": Block("2. Custom S3 Models", "from engine.models", "00012123333"),
    "models/mixin": Block("3. LazyModelMixin", "from engine.models", "000111111221222222"),
    "models/decorator": Block("4. @lazy_model", "from engine.models", "0012221122222"),
    "steps/condition": Block("Filter which rows", "from engine", "00"),
    "steps/enabled": Block("Conditional Steps", "pipeline =", "0"),
    "definition.py": Block("definition.py (Single", '"""', "00000000100001110101000"),
    "registry": Block("Register in Plugin Registry", "BUILTIN_PLUGINS", "0"),
    "scan/reading": Block("Allowed Read-Only Builtins", "# All of these", "00100"),
    "llm/pipeline.py": Block("Quick Example", "def build_steps", "0111"),
    "llm/processors/compliance.py": Block("# processors/compliance.py", "import asyncio", "00122122332"),
    "parameters": Block("# In your pipeline.py, read params:", "def build_steps", "0111"),
    "secrets/pipeline.py": Block("Managing Secrets", "def build_steps", "011"),
    "secrets/processor": Block("Managing Secrets", "class MyProcessor", "01212"),
    "large/processor": Block("Loading Large Models", "class MyProcessor", "012123312"),
    "large/namespace": Block("For custom model weights", "from shared.models", "00"),
    "image_classifier/manifest.py": Block(_IMAGE, "feature_extractor_name", "0000000"),
    "image_classifier/processors/classifier.py": Block(_IMAGE, "import io", "000012221233333122222233444454444344222"),
    "image_classifier/pipeline.py": Block(_IMAGE, "from engine", "000111"),
    "vlm_analyzer/manifest.py": Block(_VLM, "feature_extractor_name", "000000"),
    "vlm_analyzer/processors/analyzer.py": Block(_VLM, "import asyncio", "000012221222122222334444434442222"),
    "vlm_analyzer/pipeline.py": Block(_VLM, "from engine", "0001111"),
    "tests/test_my_processor.py": Block("# tests/test_my_processor.py", "import pandas", "000111111"),
    "tests/test_with_llm.py": Block("# tests/test_with_llm.py", "from unittest", "001111111"),
    "tests/test_pipeline.py": Block("# tests/test_pipeline.py", "from unittest", "000111111"),
    "tests/test_security.py": Block("# test_security.py", "from api", "00001201"),
    "several_steps/pipeline.py": Block("Example: Multi-Stage Pipeline", "from shared", "00011111"),
}


@cache
def lines() -> tuple[str, ...]:
    """The guide's lines without their layout; fences, if it has any, are left out."""
    text = FILE.read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if not line.lstrip().startswith("```"))


def place(name: str) -> range:
    """Which of `lines()` a block consists of."""
    block = BLOCKS[name]
    (heading,) = (number for number, line in enumerate(lines()) if line.startswith(block.heading))
    start = next(n for n in range(heading, len(lines())) if lines()[n].startswith(block.first))
    found = _statements(start)
    parts = [next(found) for _ in range(len(block.levels))]
    return range(start, parts[-1][0] + len(parts[-1][1]))


def code(name: str) -> str:
    """A block as Python that can be run."""
    found = _statements(place(name).start)
    text: list[str] = []
    for level in BLOCKS[name].levels:
        _, statement = next(found)
        first, *others = statement
        text += ["    " * int(level) + first, *("    " * (int(level) + 1) + line for line in others)]
    return "\n".join(text) + "\n"


def run(name: str, **given: Any) -> dict[str, Any]:
    """Run a block and give the names in it; `given` are those that the guide takes as known."""
    space: dict[str, Any] = {"__name__": name, **given}
    exec(compile(code(name), name, "exec"), space)
    return space


def write_plugin(name: str, folder: Path) -> Path:
    """Write the files of one of the guide's plugins to `folder`, which must not be there yet."""
    for file in (block for block in BLOCKS if block.startswith(f"{name}/")):
        path = folder / file.removeprefix(f"{name}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code(file), encoding="utf-8")
    return folder


def commands() -> dict[str, str]:
    """The shell commands by the line above each, which is a heading or a comment."""
    found: dict[str, str] = {}
    number = 0
    while number < len(lines()):
        if not lines()[number].startswith(_SHELL):
            number += 1
            continue
        start = number
        while lines()[number].endswith("\\") or "\n".join(lines()[start : number + 1]).count("'") % 2:
            number += 1
        number += 1
        found[lines()[start - 1].removeprefix("# ")] = "\n".join(lines()[start:number])
    return found


def _statements(start: int) -> Iterator[tuple[int, list[str]]]:
    """Where each statement begins, and its lines."""
    number = start
    while number < len(lines()):
        begin, depth = number, 0
        while number < len(lines()):
            bare = _STRING.sub("", lines()[number]).split("#")[0]
            depth += sum(map(bare.count, "([{")) - sum(map(bare.count, ")]}"))
            number += 1
            if depth <= 0:
                break
        if not lines()[begin].startswith("#"):
            yield begin, list(lines()[begin:number])
