"""Two built-in services one after the other, on real speech: words find the recording in which they are said."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest
from huggingface_hub import constants

from mixpeek_dagster.models.packaged import install_packaged_models
from mixpeek_dagster.operations.search import embed_query
from tests.runs.conftest import World
from tests.speech import RATE, synthesise

EXAMPLE = Path(__file__).parents[2] / "plugin_repo" / "examples" / "speech_search"
SAID = {
    "failure.wav": "The pipeline completed, but zero documents were written to the database.",
    "river.wav": "The boats on the river had not yet left the harbour.",
}
NOTE = "Coffee is ground before it is brewed."
WANTED = {"nothing was saved": "failure.wav", "ships in a port": "river.wav", "espresso": "note.txt"}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    install_packaged_models(folder)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def recordings(folder: Path) -> dict[str, bytes]:
    found = {}
    for name, text in SAID.items():
        synthesise(text, folder / name)
        found[name] = (folder / name).read_bytes()
    return found


@pytest.mark.usefixtures("models")
def test_what_is_said_in_a_recording_is_found_by_words(world: World, tmp_path: Path) -> None:
    silence = tmp_path / "quiet.wav"
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(6 * RATE))
    collection = world.collection(EXAMPLE)
    batch = world.ingest({**recordings(tmp_path), "quiet.wav": silence.read_bytes(), "note.txt": NOTE})

    outcome = world.run(collection, batch)

    assert outcome.success, outcome.error
    documents = {document["object_key"].rsplit("/")[-1]: document for document in world.documents(collection)}
    assert sorted(documents) == ["failure.wav", "note.txt", "river.wav"]
    assert documents["failure.wav"]["transcription"] == SAID["failure.wav"]
    assert world.status(outcome) == "COMPLETED_WITH_ERRORS"
    plugin = world.stores.plugins.load(collection.plugin)
    for words, wanted in WANTED.items():
        name, vector = embed_query(plugin, collection, world.namespace, words=words, file=None)
        space = world.namespace.namespace_id
        hits = world.stores.index.search(space, collection.collection_id, name, vector, limit=3)
        assert hits[0].payload["object_key"].endswith(wanted)
