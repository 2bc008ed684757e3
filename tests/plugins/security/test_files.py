"""What the scan makes of files: encodings, files that carry code, data, folders that are none."""

from __future__ import annotations

import marshal
import pickle
from pathlib import Path

import pytest

from mixpeek_dagster.errors import PluginError
from mixpeek_dagster.plugins.security.scanner import PluginSecurityScanner
from tests.plugins.security.scanning import codes, scan, scan_files


def test_folders_are_scanned_without_tests_and_caches(tmp_path: Path) -> None:
    files = {"tests/test_x.py": "open('x')", "__pycache__/x.py": "open('x')", "manifest.py": "x = 1\ny = 2\n"}
    result = scan_files(tmp_path, files)
    assert result.violations == []
    assert (result.files, result.lines) == (1, 2)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x = (", "SEC601"),
        (b"def f(:\n", "SEC601"),
        (b"x = 1\n\0", "SEC601"),
        (b"x = '\xff'\n", "SEC602"),
        (b"# -*- coding: utf-7 -*-\nx = 1\n", "SEC602"),
        (b"# -*- coding: latin-1 -*-\nx = 1\n", "SEC602"),
        (b"# -*- coding: nonsense -*-\nx = 1\n", "SEC602"),
        (b"\xff\xfex\0", "SEC601"),
        (b"x = " + b"(" * 5000 + b")" * 5000, "SEC603"),
        (b"x = " + b"-" * 50000 + b"1", "SEC603"),
        (b"x = a" + b".a" * 20000, "SEC603"),
        (b"x = " + b"9" * 10000, "SEC601"),
        (b"x = 1\n" * 400_000, "SEC603"),
    ],
)
def test_what_cannot_be_read_is_a_finding(content: bytes, code: str) -> None:
    result = scan(content)
    assert not result.passed
    assert {violation.code for violation in result.violations} <= {code, "SEC601", "SEC603"}
    assert code in codes(result) or codes(result) in (["SEC601"], ["SEC603"])


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbfx = 1\n", b"# coding: utf-8\nx = 1\n", b"x = 'caf\xc3\xa9'\r\n"]
)
def test_ordinary_encodings_pass(content: bytes) -> None:
    assert scan(content).violations == []


@pytest.mark.parametrize(
    ("name", "content", "passes"),
    [
        ("helper.pyc", b"\xcb\r\r\n" + bytes(12) + marshal.dumps(compile("x = 1", "x", "exec")), False),
        ("fast.so", b"\x7fELF\x02", False),
        ("data.bin", b"\x7fELF\x02", False),
        ("innocent.txt", b"#!/bin/sh\nid\n", False),
        ("tool.exe", b"MZ", False),
        ("start.pth", b"import os; os.system('id')\n", False),
        ("innocent.dat", b"\xcb\r\r\n" + bytes(20), False),
        ("module.wasm", b"\0asm", False),
        ("model.pkl", pickle.dumps({"a": 1}), True),
        ("weights.dat", pickle.dumps({"a": 1}), True),
        ("weights.pt", b"PK\3\4", True),
        ("run.sh", b"id\n", True),
        ("notebook.ipynb", b"{}", True),
    ],
)
def test_files_that_carry_code(tmp_path: Path, name: str, content: bytes, passes: bool) -> None:
    (tmp_path / name).write_bytes(content)
    result = PluginSecurityScanner().scan_directory(tmp_path)
    assert codes(result) == ["SEC702" if passes else "SEC701"]
    assert result.passed == passes
    assert result.violations[0].filename == name


@pytest.mark.parametrize("name", ["labels.json", "model.onnx", "weights.safetensors", "README.md", "icon.png"])
def test_data_files_pass(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x89data")
    assert PluginSecurityScanner().scan_directory(tmp_path).violations == []


def test_what_is_no_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="not a folder"):
        PluginSecurityScanner().scan_directory(tmp_path / "none")
