"""Models in S3: found by every library under their ids, fetched once, whole or not at all."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from mixpeek_dagster.errors import AlreadyExists, InvalidRequest, StoreError
from mixpeek_dagster.models.adding import ModelLibrary
from mixpeek_dagster.models.cache import is_cached, snapshot_of
from mixpeek_dagster.models.fetching import fetched, forget
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores
from tests.models.conftest import TINY, MakeTiny, RunCode, start_step

EVERY_WAY = """
from transformers import AutoModel, AutoTokenizer
from sentence_transformers import SentenceTransformer
from huggingface_hub import snapshot_download
from mixpeek_dagster.models.cache import is_cached
from mixpeek_dagster.models.loading import load_hf_model
from mixpeek_dagster.rows.failures import failure_of
elsewhere = settings.home_path.parent / "hf_cache"
found = [
    AutoModel.from_pretrained("acme/tiny", cache_dir=str(elsewhere)).config.hidden_size,
    is_cached(elsewhere, "acme/tiny"),
    len(AutoTokenizer.from_pretrained("acme/tiny", cache_dir=str(elsewhere))(["a tall tree"])["input_ids"][0]),
    AutoModel.from_pretrained("acme/tiny").config.hidden_size,
    SentenceTransformer("acme/tiny").encode("a tall tree").size,
    SentenceTransformer("acme/tiny", cache_folder=str(elsewhere / "2")).encode("a tall tree").size,
    load_hf_model("acme/tiny")["config"]["hidden_size"],
    is_cached(elsewhere, snapshot_download("acme/tiny", cache_dir=str(elsewhere)) and "acme/tiny"),
]
def refused(**options):
    try:
        AutoModel.from_pretrained(**options)
    except OSError as error:
        failure = failure_of(error, "Embed", [])
        return [failure.code, failure.message, failure.suggestion]
nowhere = refused(pretrained_model_name_or_path="acme/none", cache_dir=str(elsewhere))
revision = refused(pretrained_model_name_or_path="acme/tiny", revision="v2")
print(json.dumps([found, nowhere, revision]))
"""
LOAD = 'from mixpeek_dagster.models.loading import find_model\nprint(json.dumps(str(find_model("acme/tiny"))))'


@pytest.mark.slow
def test_every_library_finds_a_model_that_was_not_fetched_yet_and_no_other_in_its_place(
    library: ModelLibrary, make_tiny: MakeTiny, run_step: RunCode
) -> None:
    library.add(make_tiny(), TINY)
    assert not is_cached(library.cache, TINY)
    found, nowhere, revision = run_step(EVERY_WAY)
    assert found == [32, True, 3, 32, 32, 32, 32, True]
    code, message, suggestion = nowhere
    assert code == revision[0] == "model_not_found"
    assert f"{library.place}/acme/none" in message
    assert suggestion.endswith("mixpeek models pull acme/none")


def test_processes_that_start_at_once_fetch_once(
    library: ModelLibrary, make_tiny: MakeTiny, environment: dict[str, str], s3_settings: Settings
) -> None:
    library.add(make_tiny(hidden=256), TINY)
    counted = """
from mixpeek_dagster.models.loading import find_model
from mixpeek_dagster.objects.folders import S3Folders
fetch, times = S3Folders.fetch, []
S3Folders.fetch = lambda *arguments: (times.append(arguments), fetch(*arguments))
print(json.dumps([str(find_model("acme/tiny")), len(times)]))
"""
    processes = [start_step(environment, counted) for _ in range(2)]
    said = [process.communicate(timeout=240) for process in processes]
    replies = [json.loads(text.splitlines()[-1]) for text, errors in said]
    files = len(library.remote.files(TINY)) if library.remote else 0
    assert {folder for folder, _ in replies} == {str(snapshot_of(s3_settings.models_path, TINY))}
    assert sorted(count for _, count in replies) == [0, files]


def test_a_fetch_that_is_killed_leaves_nothing_half_and_is_taken_up(
    library: ModelLibrary, make_tiny: MakeTiny, environment: dict[str, str], run_step: RunCode
) -> None:
    library.add(make_tiny(), TINY)
    stuck = (
        """
import time
from mixpeek_dagster.objects.object_store import ObjectStore
whole = ObjectStore.fetch_version
def half(self, url, etag, path, seen):
    if not url.endswith("model.safetensors"):
        return whole(self, url, etag, path, seen)
    path.write_bytes(b"half of it")
    print("half", flush=True)
    time.sleep(600)
ObjectStore.fetch_version = half
"""
        + LOAD
    )
    process = start_step(environment, stuck)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "half"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not is_cached(library.cache, TINY)
    folder = Path(run_step(LOAD))
    assert (folder / "model.safetensors").stat().st_size > 1000
    assert [path for path in (library.cache / ".fetching").rglob("*") if path.is_file()] == []


def overwrite(stores: Stores, library: ModelLibrary, name: str, content: bytes) -> None:
    """Damage a file of the model in S3."""
    assert library.remote is not None
    prefix = library.place.removeprefix("s3://models/")
    client = stores.objects._access.client()
    client.put_object(Bucket="models", Key=f"{prefix}/{TINY}/{name}", Body=content)
    forget(TINY)


def test_a_damaged_file_is_refused_by_its_checksum(
    library: ModelLibrary, make_tiny: MakeTiny, s3_stores: Stores
) -> None:
    source = make_tiny()
    library.add(source, TINY)
    content = bytearray((source / "model.safetensors").read_bytes())
    content[-1] ^= 1
    overwrite(s3_stores, library, "model.safetensors", bytes(content))
    assert library.remote is not None
    with pytest.raises(StoreError, match=r"model\.safetensors is damaged: its sha256") as caught:
        fetched(library.cache, TINY, library.remote)
    assert f"mixpeek models add FOLDER --id {TINY}" in caught.value.fix
    assert not is_cached(library.cache, TINY)


def test_truncated_weights_are_refused_without_checksums(
    library: ModelLibrary, make_tiny: MakeTiny, s3_stores: Stores
) -> None:
    source = make_tiny()
    assert library.remote is not None
    library.remote.put(TINY, {path.name: path for path in source.iterdir()})
    overwrite(s3_stores, library, "model.safetensors", (source / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(StoreError, match=r"model\.safetensors is damaged"):
        fetched(library.cache, TINY, library.remote)
    assert not is_cached(library.cache, TINY)


def test_a_file_that_changes_while_it_is_fetched_is_refused(
    library: ModelLibrary, make_tiny: MakeTiny, tmp_path: Path
) -> None:
    library.add(make_tiny(), TINY)
    assert library.remote is not None
    with pytest.raises(StoreError, match="PreconditionFailed"):
        library.remote.fetch(TINY, "config.json", "0" * 32, tmp_path / "file")


def test_other_content_in_the_store_reaches_machines_that_have_the_old_one(
    library: ModelLibrary, make_tiny: MakeTiny
) -> None:
    library.add(make_tiny(), TINY)
    assert library.remote is not None
    before = fetched(library.cache, TINY, library.remote)
    library.remote.delete(TINY, first="config.json")
    library.add(make_tiny(seed=1), TINY)
    after = fetched(library.cache, TINY, library.remote)
    assert after == snapshot_of(library.cache, TINY) != before


def test_an_upload_without_its_config_is_no_model(library: ModelLibrary, make_tiny: MakeTiny) -> None:
    assert library.remote is not None
    library.remote.put(TINY, {"model.safetensors": make_tiny() / "model.safetensors"})
    assert fetched(library.cache, TINY, library.remote) is None
    assert TINY not in [model.model_id for model in library.models()]


def test_what_is_in_the_store_is_not_overwritten(library: ModelLibrary, make_tiny: MakeTiny) -> None:
    library.add(make_tiny(), TINY)
    with pytest.raises(AlreadyExists, match="models rm acme/tiny"):
        library.add(make_tiny(seed=1), TINY)


@pytest.mark.parametrize("model", ["tiny", "../tiny", "a/b/c", "a--b/c", "a/..", ""])
def test_what_is_no_model_id_is_refused(library: ModelLibrary, make_tiny: MakeTiny, model: str) -> None:
    with pytest.raises(InvalidRequest, match="org/name"):
        library.add(make_tiny(), model)


def test_a_store_that_is_down_is_no_matter_for_models_that_are_here(
    library: ModelLibrary, make_tiny: MakeTiny, run_step: RunCode
) -> None:
    library.add(make_tiny(), TINY)
    folder = run_step(LOAD)
    assert run_step(LOAD, MIXPEEK_S3_URL="http://127.0.0.1:9") == folder
