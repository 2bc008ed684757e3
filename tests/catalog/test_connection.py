"""How long MongoDB is looked for: as the URL says, else our own time."""

from __future__ import annotations

import pytest

from mixpeek_dagster.catalog.connection import connect


@pytest.mark.parametrize(
    ("query", "given", "seconds"),
    [("", None, 15.0), ("?serverSelectionTimeoutMS=500", None, 0.5), ("?serverSelectionTimeoutMS=500", 3000, 3.0)],
)
def test_the_urls_own_time_holds_unless_another_is_given(query: str, given: int | None, seconds: float) -> None:
    with connect(f"mongodb://127.0.0.1:9/{query}", given) as client:
        assert client.options.server_selection_timeout == seconds
