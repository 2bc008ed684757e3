"""The asset graph of the examples is the one that was last looked at."""

from __future__ import annotations

import difflib

import pytest

from tests.graph.drift import COMMAND, SNAPSHOT, drawn


def test_the_graph_of_the_examples_is_as_it_was_reviewed() -> None:
    reviewed, now = SNAPSHOT.read_text(encoding="utf-8"), drawn()
    if now != reviewed:
        changes = difflib.unified_diff(
            reviewed.splitlines(), now.splitlines(), SNAPSHOT.name, "the code", lineterm="", n=5
        )
        pytest.fail(f"The graph has changed. If it is meant, run: {COMMAND}\n" + "\n".join(changes), pytrace=False)
