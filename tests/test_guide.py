"""The guide is found where it is, and all of its code is found in it."""

from __future__ import annotations

import ast
import re

import pytest

from tests import guide

pytestmark = guide.needs_guide

_CODE = re.compile(r"(class|def|async def|@\w|from \S+ import|import|return|for|if|with|try|raise|assert)\b")
_PROSE = ("import os is allowed", "import os and getattr()")


@pytest.mark.parametrize("name", guide.BLOCKS)
def test_a_block_is_found_and_is_python(name: str) -> None:
    statements = len(guide.BLOCKS[name].levels)
    tree = ast.parse(guide.code(name))
    found = sum(isinstance(node, ast.stmt) for node in ast.walk(tree))
    # A decorator, and each of else, except and finally, is a line of its own but no statement.
    lines = sum(
        len(getattr(node, "decorator_list", ())) + len(getattr(node, "handlers", ())) + _tails(node)
        for node in ast.walk(tree)
    )
    assert found + lines == statements


def _tails(node: ast.AST) -> int:
    return bool(getattr(node, "finalbody", ())) + (isinstance(node, ast.If) and bool(node.orelse))


def test_no_two_blocks_share_a_line() -> None:
    taken = [number for name in guide.BLOCKS for number in guide.place(name)]
    assert len(taken) == len(set(taken))


def test_no_line_of_python_stands_outside_of_the_blocks() -> None:
    taken = {number for name in guide.BLOCKS for number in guide.place(name)}
    outside = [line for number, line in enumerate(guide.lines()) if number not in taken and _CODE.match(line)]
    assert [line for line in outside if not line.startswith(_PROSE)] == []


def test_every_command_is_found() -> None:
    assert len(guide.commands()) == sum(line.startswith(("curl ", "zip ")) for line in guide.lines()) == 10
