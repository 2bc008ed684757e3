"""A run whose step calls an API: what a second run sends, and what the ledger and the step's page say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api_server import Answer, Provider, serving
from tests.runs.conftest import World

PIPELINE = """
from engine.plugins.extractors.pipeline import (
    PipelineDefinition, ResourceType, StepDefinition, build_pipeline_steps,
)
from .processors.core import Ask


def build_steps(extractor_request, **kwargs):
    step = StepDefinition(service_class=Ask, resource_type=ResourceType.API, config={"provider": "letters"})
    return {"steps": build_pipeline_steps(PipelineDefinition(name="p", version="1", steps=[step]))}
"""
ASK = '''
import httpx


class Ask:
    """Has a service write the text in capitals."""

    def __init__(self, config):
        self.client = httpx.Client(timeout=30)

    def __call__(self, batch):
        answers = [self.client.post("{url}", content=text) for text in batch["data"]]
        for answer in answers:
            answer.raise_for_status()
        batch["capitals"] = [answer.text for answer in answers]
        batch["vector"] = [[float(len(text)), 1.0, 1.0, 0.5] for text in batch["capitals"]]
        return batch
'''


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("MIXPEEK_API_LIMITS", '{"letters": {"concurrency": 4, "tries": 2, "first_wait": 0.001}}')
    found = Provider()
    with serving(found):
        yield found


def test_a_second_run_sends_only_the_rows_that_failed(world: World, provider: Provider) -> None:
    folder = world.plugin(ASK.replace("{url}", provider.url))
    (folder / "pipeline.py").write_text(PIPELINE, encoding="utf-8")
    collection = world.collection(folder)
    texts = {f"{i}.txt": f"text {i}" for i in range(12)}
    batch = world.ingest(dict(texts))
    provider.plan = lambda row, number: Answer(503 if row in ("text 3", "text 7") else 200)

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    assert world.status(outcome) == "COMPLETED_WITH_ERRORS"
    ledger = world.ledger(collection, batch)
    assert (ledger["documents_written"], ledger["documents_failed"]) == (10, 2)
    assert provider.asked == {text: 2 if text in ("text 3", "text 7") else 1 for text in texts.values()}
    assert {d["capitals"] for d in world.documents(collection)} == {
        text.upper() for text in texts.values() if text not in ("text 3", "text 7")
    }

    provider.asked.clear()
    provider.plan = lambda row, number: Answer()
    outcome = world.run(collection, batch)

    assert world.status(outcome) == "COMPLETED"
    assert provider.asked == {"text 3": 1, "text 7": 1}
    ledger = world.ledger(collection, batch)
    assert (ledger["documents_reused"], ledger["documents_written"], ledger["documents_failed"]) == (10, 2, 0)
    assert len(world.documents(collection)) == 12


def test_the_step_says_how_often_it_called(world: World, provider: Provider) -> None:
    folder = world.plugin(ASK.replace("{url}", provider.url))
    (folder / "pipeline.py").write_text(PIPELINE, encoding="utf-8")
    collection = world.collection(folder)
    batch = world.ingest({"a.txt": "one", "b.txt": "two"})
    provider.plan = lambda row, number: Answer(429 if (row, number) == ("one", 1) else 200)

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    events = world.instance.all_logs(outcome.run_id)
    found = [
        e.dagster_event.step_output_data for e in events if e.dagster_event and e.dagster_event.is_successful_output
    ]
    (metadata,) = [data.metadata for data in found if "api_calls" in data.metadata]
    assert metadata["api_calls"].value == 3
    assert metadata["api_retries"].value == 1
