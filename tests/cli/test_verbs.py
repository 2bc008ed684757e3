"""The list of verbs that `mixpeek --help` prints without importing them."""

from __future__ import annotations

import pytest
import typer

from mixpeek_dagster.cli.main import VERBS, app


@pytest.mark.parametrize("name", VERBS)
def test_the_line_of_each_verb_is_its_own_help(name: str) -> None:
    command = VERBS[name].load(name)
    assert command.help.split("\n\n")[0] == VERBS[name].summary


def test_the_command_has_the_verbs_themselves() -> None:
    group = typer.main.get_group(app)
    context = group.make_context("mixpeek", ["--help"], resilient_parsing=True)
    assert group.list_commands(context) == list(VERBS)
    command = group.get_command(context, "api")
    assert command is not None
    assert [option.name for option in command.params] == ["host", "port"]
    assert group.get_command(context, "nobody") is None
