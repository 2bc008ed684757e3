"""The rows of the tests of rows serve here, too; and an API that steps call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mixpeek_dagster.plugins.pipeline import ResourceType
from mixpeek_dagster.steps.runner import StepReport
from tests.api_server import Provider, serving
from tests.rows.conftest import folder, rows, run, source, spool
from tests.steps.api_calls import Limit, Run

__all__ = ["folder", "rows", "run", "source", "spool"]


@pytest.fixture
def provider() -> Iterator[Provider]:
    found = Provider()
    with serving(found):
        yield found


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Limit:
    """Limits of the providers that are named, with waits that a test can afford."""
    monkeypatch.setenv("MIXPEEK_HOME", str(tmp_path))

    def limit(**providers: dict[str, Any]) -> None:
        quick = {name: {"first_wait": 0.001, **limits} for name, limits in providers.items()}
        monkeypatch.setenv("MIXPEEK_API_LIMITS", json.dumps(quick))

    limit(default={})
    return limit


@pytest.fixture
def call(run: Run, limit: Limit) -> Run:
    """`call(target, n or frame)`: what comes out of an API step."""

    def call(target: Any, given: Any = 4, **options: Any) -> tuple[pd.DataFrame, StepReport]:
        return run(target, given, resource=ResourceType.API, **options)

    return call
