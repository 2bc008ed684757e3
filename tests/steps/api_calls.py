"""Processors that call the API of the tests, and what came of their rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pandas as pd

from mixpeek_dagster.steps.runner import StepReport
from tests.api_server import Provider

Run = Callable[..., tuple[pd.DataFrame, StepReport]]
Limit = Callable[..., None]


# Making a client, with its certificates, takes longer than all calls of a test.
CLIENT = httpx.Client(timeout=30)


def ask(url: str, text: str) -> str:
    response = CLIENT.post(url, content=text)
    response.raise_for_status()
    return response.text


def asking(server: Provider, **attributes: Any) -> type:
    """A processor class that sends each of its rows to the provider."""

    class Ask:
        def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
            batch["seen"] = [ask(server.url, text) for text in batch["data"]]
            return batch

    for name, value in attributes.items():
        setattr(Ask, name, value)
    return Ask
