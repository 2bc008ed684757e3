"""The rules of the house that no linter knows: sizes of files and functions, names, docstrings that say something."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ("mixpeek_dagster", "serving", "plugin_repo")
SDK = ROOT / "mixpeek_dagster" / "plugin-sdk"
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 60
# Names that say of a module only that nobody knew where its contents belong.
DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
# Words that say nothing by themselves.
EMPTY = set(
    re.findall(
        r"\w+",
        """
        a all an and any are as at be been by call called class do does each every for from function get gets give given
        gives has have how id ids if in into is it its itself method name named names new no not object of on one or our
        return returned returns s self set some than that the their them then there these they this those to type use
        used value was what when where whether which who whose will with
        """,
    )
)

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def files(*folders: str) -> list[Path]:
    found = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in folders)
    return sorted(found)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def definitions(path: Path) -> Iterator[tuple[Definition, str]]:
    """What a module defines outside of functions, each with the name of the class that it stands in."""

    def within(body: list[ast.stmt], owner: str) -> Iterator[tuple[Definition, str]]:
        for node in body:
            if isinstance(node, Definition):
                yield node, owner
            if isinstance(node, ast.ClassDef):
                yield from within(node.body, node.name)

    return within(tree(path).body, "")


def test_a_file_fits_into_a_head() -> None:
    folders = (*SOURCE, "tests", "bench", "docs")
    lines = {path.relative_to(ROOT): path.read_bytes().count(b"\n") for path in files(*folders)}
    assert {path: count for path, count in lines.items() if count > MOST_LINES_OF_A_FILE} == {}


def test_a_function_fits_a_screen() -> None:
    functions = (
        (place(path, node), (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in files(*SOURCE, "tests", "bench", "docs")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert {where: count for where, count in functions if count > MOST_LINES_OF_A_FUNCTION} == {}


def test_a_module_is_named_after_its_subject() -> None:
    drawers = [path.relative_to(ROOT) for path in files(*SOURCE, "tests", "bench", "docs") if path.stem in DRAWERS]
    folders = [path.parent.relative_to(ROOT) for path in files(*SOURCE) if path.parent.name in DRAWERS]
    assert drawers + folders == []


def test_a_class_name_means_one_class() -> None:
    places = defaultdict(list)
    for path in files("mixpeek_dagster", "serving"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and not path.is_relative_to(SDK):
                places[node.name].append(place(path, node))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def stem(word: str) -> str:
    """The word without the ending that a name and a sentence would write differently."""
    ending = next(
        (end for end in ("ations", "ation", "ings", "ing", "ies", "es", "ed", "s", "e") if word.endswith(end)), ""
    )
    return word[: -len(ending)] if ending and len(word) - len(ending) >= 3 else word


def words(text: str) -> set[str]:
    """Stems of the words of a text or of a name in any spelling, those that say nothing left out."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text.replace("_", " "))
    return {stem(word) for word in re.findall(r"[a-z0-9]+", spaced.lower()) if word not in EMPTY}


def known(node: Definition, owner: str) -> set[str]:
    """Words that a reader of the signature knows already."""
    told = f"{node.name} {owner} "
    if not isinstance(node, ast.ClassDef):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        told += " ".join(f"{each.arg} {ast.unparse(each.annotation) if each.annotation else ''}" for each in arguments)
        told += f" {ast.unparse(node.returns)}" if node.returns else ""
    return words(told)


@pytest.mark.parametrize(
    ("source", "empty"),
    [
        ('def close(self): "Close it."', True),
        ('def job_names(self) -> list[Job]: "Names of all jobs."', True),
        ('class BucketList: "A list of buckets."', True),
        ('def close(self): "Close it; raises nothing."', False),
        ('def seconds(self) -> float: "Since 1970."', False),
    ],
)
def test_what_counts_as_an_empty_docstring(source: str, empty: bool) -> None:
    node = ast.parse(source).body[0]
    assert isinstance(node, Definition)
    assert (not words(ast.get_docstring(node) or "") - known(node, "")) == empty


def test_a_docstring_says_more_than_the_name() -> None:
    empty = {
        place(path, node): text
        for path in files("mixpeek_dagster", "serving", "plugin_repo")
        for node, owner in definitions(path)
        if not node.name.startswith("_") and (text := ast.get_docstring(node))
        if not words(text) - known(node, owner)
    }
    assert empty == {}
