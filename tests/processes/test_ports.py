"""Ports that are free, and those that are not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mixpeek_dagster.processes.ports import HOST, answers, choose, is_free, is_loopback_address


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_is_listened_on_is_taken_and_answers(taken: int) -> None:
    assert (is_free(taken), answers(taken)) == (False, True)
    free = choose({"a": ()})["a"]
    assert (is_free(free), answers(free)) == (True, False)


def test_the_first_wanted_port_that_is_free_is_chosen(taken: int) -> None:
    free = choose({"a": ()})["a"]
    assert choose({"a": (taken, free)}) == {"a": free}


def test_two_names_get_two_ports() -> None:
    free = choose({"a": ()})["a"]
    chosen = choose({"a": (free,), "b": (free,)})
    assert chosen["a"] == free
    assert chosen["b"] != free


def test_a_port_whose_companion_is_taken_is_not_chosen(taken: int) -> None:
    assert choose({"a": (taken - 100,)}, companion=100)["a"] != taken - 100


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("0.0.0.0", False), ("localhost", False)],
)
def test_only_addresses_of_this_machine_alone_are_loopback(host: str, loopback: bool) -> None:
    assert is_loopback_address(host) is loopback
