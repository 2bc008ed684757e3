"""One running server for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.app import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("http")) as server:
        yield server
