"""Homes of earlier code, with their stores running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mixpeek_dagster.embedded import open_embedded, stop_embedded
from mixpeek_dagster.settings import Settings
from tests.migrations.homes import settings_of, unpack


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Settings]]:
    """Unpack a home once more and start its stores; nothing is upgraded yet."""
    with ExitStack() as stack:

        def make() -> Settings:
            home = unpack(tmp_path_factory.mktemp("earlier"))
            stack.callback(stop_embedded, home)
            return settings_of(stack.enter_context(open_embedded(home, linger=2)))

        yield make
