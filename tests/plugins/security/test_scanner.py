"""The security scan: no trick of the corpus passes, nothing that is allowed is found, and nothing crashes it."""

from __future__ import annotations

import builtins
import ctypes
import importlib
import multiprocessing
import os
import pickle
import py_compile
import socket
import subprocess
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixpeek_dagster.plugins.security.forbidden import guarded_module, rule_for
from mixpeek_dagster.plugins.security.scanner import PluginSecurityScanner
from tests import guide
from tests.guide import needs_guide
from tests.plugins.security.scanning import codes, scan, scan_files
from tests.plugins.security.snippets import ALLOWED, HOSTILE, UNDECIDABLE, snippets

FOLDERS: list[dict[str, str]] = [
    {
        "main.py": "exec = None\ndef f():\n    exec(\"import os; os.system('id')\")\nfrom . import other\n",
        "other.py": "from . import main\ndel main.exec\nmain.f()\n",
    },
    {
        "main.py": "from .other import *\nexec(\"import os; os.system('id')\")\n",
        "other.py": "exec = None\n__all__ = []\n",
    },
    {"main.py": "from .nb import *\no.system('id')\n", "nb.py": "from .oc import *\n", "oc.py": "import os as o\n"},
    {
        "f0.py": "import os as o\n",
        "f1.py": "from .f0 import o\n",
        "f2.py": "from .f1 import o\n",
        "f3.py": "from .f2 import o\n",
        "f4.py": "from .f3 import o\n",
        "f5.py": "from .f4 import o\n",
        "f6.py": "from .f5 import o\n",
        "f7.py": "from .f6 import o\n",
        "f8.py": "from .f7 import o\n",
        "f9.py": "from .f8 import o\n",
        "f10.py": "from .f9 import o\n",
        "f11.py": "from .f10 import o\n",
        "main.py": "from .f11 import o\no.system('id')\n",
    },
    {
        "main.py": "from . import other\nfor k, v in vars(other).items():\n    if k == 'os':\n        v.system('id')\n",
        "other.py": "import os\n",
    },
    {"main.py": "from .tests import evil\n", "tests/evil.py": "import os\nos.system('id')\n"},
]


EXPENSIVE = [
    "x" + ".a(1)" * 40 + "\n",
    "a0=''\n" + "".join(f"a{i + 1}=f'" + f"{{a{i}}}" * 60 + "'\n" for i in range(5)) + "getattr(x, a5)\n",
    "a=['x']*4096\nb=[a]*4096\nc=[b]*4096\ngetattr(o, str(c))\n",
    "a=['x'*4000]*4096\nb=[a]*4096\ngetattr(o,str(b))\n",
    "L='a'*4096\ngetattr(o, [[[x for x in L] for y in L] for z in L][0])\n",
    "d=[" + ",".join(f"'{i}'" for i in range(4000)) + "]\n" + "getattr(o,d[1])\n" * 10000,
    "import numpy as x0\n" + "".join(f"x{i + 1}=x{i}.a\nx{i + 1}=x{i}.b\n" for i in range(24)),
    "[0 for x[" * 40 + "0" + "] in y]" * 40 + "\n",
    "".join(f"x{i}=x{(i * 7 + 1) % 300} or x{(i * 3 + 2) % 300}\n" for i in range(300)) + "x0.system(1)\n" * 0,
]


EXAMPLES = Path(__file__).parents[3] / "plugin_repo" / "examples"


@pytest.mark.parametrize(("name", "source"), [pytest.param(*pair, id=pair[0]) for pair in snippets(HOSTILE)])
def test_no_trick_passes(name: str, source: str) -> None:
    result = scan(source)
    assert not result.passed, name
    lines = source.count("\n") + 1
    assert all(1 <= violation.line <= lines and violation.fix for violation in result.violations)


@pytest.mark.parametrize(("name", "source"), [pytest.param(*pair, id=pair[0]) for pair in snippets(ALLOWED)])
def test_what_is_allowed_is_not_found(name: str, source: str) -> None:
    assert scan(source, strict=True).violations == [], name


@pytest.mark.parametrize(("name", "source"), [pytest.param(*pair, id=pair[0]) for pair in snippets(UNDECIDABLE)])
def test_what_cannot_be_decided_is_a_warning_and_an_error_in_strict_mode(name: str, source: str) -> None:
    result = scan(source)
    assert result.violations, name
    assert result.passed
    assert not scan(source, strict=True).passed


def test_the_corpus_is_large() -> None:
    assert len(list(snippets(HOSTILE))) >= 150
    assert len(list(snippets(ALLOWED))) >= 100


def test_a_violation_says_where_what_and_what_to_do() -> None:
    (violation,) = scan("import os\n\n\ndef f():\n    return os.system('id')\n").violations
    assert (violation.filename, violation.line, violation.column) == ("plugin.py", 5, 12)
    assert (violation.severity, violation.code) == ("error", "SEC101")
    assert violation.message == "os.system runs commands"
    assert "httpx" in violation.fix


def test_the_documented_import_is_the_scanner() -> None:
    module = importlib.import_module("api.namespaces.plugins.security.scanner")
    assert module.PluginSecurityScanner is PluginSecurityScanner


@pytest.mark.parametrize("name", ["my_extractor", "image_classifier", "text_chunker", "vlm_analyzer"])
def test_the_examples_pass_in_strict_mode(name: str) -> None:
    assert PluginSecurityScanner(strict_mode=True).scan_directory(EXAMPLES / name).violations == []


@needs_guide
@pytest.mark.parametrize("name", [name for name in guide.BLOCKS if not name.startswith("tests/")])
def test_the_guides_code_passes_in_strict_mode(name: str, tmp_path: Path) -> None:
    (tmp_path / "block.py").write_text(guide.code(name))
    assert PluginSecurityScanner(strict_mode=True).scan_directory(tmp_path).violations == []


def test_names_are_followed_from_file_to_file(tmp_path: Path) -> None:
    pipeline = "from .processors.core import helper\nhelper.system('id')\n"
    result = scan_files(tmp_path, {"pipeline.py": pipeline, "processors/core.py": "import os as helper\n"})
    (violation,) = result.violations
    assert (violation.filename, violation.line) == ("pipeline.py", 2)


@pytest.mark.parametrize(
    "source",
    [
        "from . import core\ncore.helper.system('id')\n",
        "from .core import *\nhelper.system('id')\n",
        "from .core import helper as h\nh.popen('id')\n",
        "from .core import os_again\nos_again.system('id')\n",
    ],
)
def test_every_way_to_another_file_is_followed(tmp_path: Path, source: str) -> None:
    core = "import os as helper\nos_again = helper\n"
    assert not scan_files(tmp_path, {"pipeline.py": source, "core.py": core}).passed


@pytest.mark.parametrize(("files"), FOLDERS, ids=[next(iter(files)) + str(n) for n, files in enumerate(FOLDERS)])
def test_no_trick_of_several_files_passes(tmp_path: Path, files: dict[str, str]) -> None:
    assert not scan_files(tmp_path, files).passed


def test_compiled_code_that_python_would_not_compare_with_its_source(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "helper.py").write_text("x = 1\n")
    cached = tmp_path / "__pycache__" / "helper.cpython-311.pyc"
    py_compile.compile(str(tmp_path / "helper.py"), str(cached), invalidation_mode=PycInvalidationMode.TIMESTAMP)
    assert PluginSecurityScanner().scan_directory(tmp_path).passed
    py_compile.compile(str(tmp_path / "helper.py"), str(cached), invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    assert codes(PluginSecurityScanner().scan_directory(tmp_path)) == ["SEC701"]


def test_what_pytest_compiles_for_itself_is_no_code_of_the_plugin(tmp_path: Path) -> None:
    """So that a plugin's own tests may scan it; Python imports nothing of that name."""
    cache = tmp_path / "tests" / "__pycache__"
    cache.mkdir(parents=True)
    (tmp_path / "pipeline.py").write_text("x = 1\n")
    (cache / "conftest.cpython-311-pytest-9.2.0.pyc").write_bytes(b"\xa7\r\r\n\1\0\0\0" + bytes(8))
    assert PluginSecurityScanner().scan_directory(tmp_path).passed
    (cache / "a-pytest-1.cpython-311.pyc").write_bytes(b"\xa7\r\r\n\1\0\0\0" + bytes(8))
    assert codes(PluginSecurityScanner().scan_directory(tmp_path)) == ["SEC701"]


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "sub").symlink_to(tmp_path / "out")
    assert codes(PluginSecurityScanner().scan_directory(tmp_path / "plugin")) == ["SEC701"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("source", EXPENSIVE, ids=range(len(EXPENSIVE)))
def test_no_source_takes_long(source: str) -> None:
    assert {violation.code for violation in scan(source).violations} <= {"SEC603"}


def test_libraries_hand_out_nothing_dangerous_under_another_name() -> None:
    """Every name in the standard library that is one of the worst objects is refused under that name, too."""
    worst: dict[int, object] = {
        id(value): value for value in (os.system, os.popen, open, eval, exec, subprocess.Popen, __import__)
    }
    worst |= {id(module): module for module in (builtins, subprocess, ctypes, socket, multiprocessing, pickle, os)}
    missed = []
    for name in sorted(sys.stdlib_module_names & set(sys.modules)):
        for attribute, value in sorted(vars(sys.modules[name]).items()):
            if id(value) not in worst or attribute in {"__builtins__", "__builtin__"}:
                continue
            hit = rule_for(f"{name}.{attribute}")
            if hit is None and not guarded_module(f"{name}.{attribute}"):
                missed.append(f"{name}.{attribute}")
    assert missed == []


def test_a_name_that_two_files_give_each_other_ends(tmp_path: Path) -> None:
    files = {"a.py": "from .b import x\nx.system('y')\n", "b.py": "from .a import x\nx.system('y')\n"}
    result = scan_files(tmp_path, files)
    assert (result.files, codes(result)) == (2, ["SEC101", "SEC101"])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_crash_it(content: bytes) -> None:
    scan(content)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damaged_source_crashes_it(data: st.DataObject) -> None:
    pairs = [source for _, source in snippets(HOSTILE)]
    source = data.draw(st.sampled_from(pairs)) + data.draw(st.sampled_from(pairs))
    start = data.draw(st.integers(0, len(source)))
    end = data.draw(st.integers(start, min(len(source), start + 20)))
    scan(source[:start] + data.draw(st.text(max_size=3)) + source[end:])
