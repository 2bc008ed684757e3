"""Models in folders: added, listed, removed; and a folder that nobody may write to."""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mixpeek_dagster.errors import AlreadyExists, InvalidRequest, NotFound, SettingsError
from mixpeek_dagster.models.adding import ModelLibrary
from mixpeek_dagster.models.cache import is_cached, snapshot_of
from mixpeek_dagster.settings import Settings
from tests.models.conftest import TINY, MakeTiny


class Harm:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.trace}",)


@pytest.fixture
def folder_library(tmp_path: Path) -> ModelLibrary:
    return ModelLibrary(tmp_path / "models", tmp_path / "models", None)


def test_an_added_model_is_there_until_it_is_removed(folder_library: ModelLibrary, make_tiny: MakeTiny) -> None:
    size = folder_library.add(make_tiny(), TINY)
    assert is_cached(folder_library.cache, TINY)
    (listed,) = [model for model in folder_library.models() if model.model_id == TINY]
    assert (listed.size, listed.cached, listed.place) == (size, True, str(folder_library.folder))
    with pytest.raises(AlreadyExists):
        folder_library.add(make_tiny(), TINY)
    folder_library.remove(TINY)
    assert not is_cached(folder_library.cache, TINY)
    assert not (folder_library.folder / TINY).exists()
    with pytest.raises(NotFound, match="acme/tiny"):
        folder_library.remove(TINY)


def test_a_folder_that_is_gone_is_no_model(folder_library: ModelLibrary, make_tiny: MakeTiny) -> None:
    folder_library.add(make_tiny(), TINY)
    shutil.rmtree(folder_library.folder / TINY)
    assert snapshot_of(folder_library.cache, TINY) is None


def test_a_folder_without_config_or_safetensors_is_refused(folder_library: ModelLibrary, make_tiny: MakeTiny) -> None:
    source = make_tiny()
    (source / "model.safetensors").rename(source / "model.txt")
    with pytest.raises(InvalidRequest, match="no safetensors weights"):
        folder_library.add(source, TINY)
    (source / "config.json").unlink()
    with pytest.raises(InvalidRequest, match=r"no config\.json"):
        folder_library.add(source, TINY)


def test_truncated_weights_are_refused(folder_library: ModelLibrary, make_tiny: MakeTiny) -> None:
    source = make_tiny()
    weights = (source / "model.safetensors").read_bytes()
    (source / "model.safetensors").write_bytes(weights[:-10])
    with pytest.raises(InvalidRequest, match=r"model\.safetensors is damaged"):
        folder_library.add(source, TINY)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(
    folder_library: ModelLibrary, make_tiny: MakeTiny, tmp_path: Path
) -> None:
    source, trace = make_tiny(), tmp_path / "trace"
    (source / "training_args.bin").write_bytes(pickle.dumps(Harm(trace), protocol=2))
    with pytest.raises(InvalidRequest, match=r"training_args\.bin: it is a pickle, and it would run posix\.system"):
        folder_library.add(source, TINY)
    (source / "training_args.bin").write_bytes(pickle.dumps(Harm(trace)))
    with pytest.raises(InvalidRequest, match=r"training_args\.bin: it is a pickle, and weights_only refuses it"):
        folder_library.add(source, TINY)
    assert not trace.exists()
    assert not (folder_library.folder / TINY).exists()


def bound_by_permissions() -> None:
    """Let this process, if it is root's, be bound by permissions like any other (PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_models_of_a_read_only_folder_are_found_by_their_ids(make_tiny: MakeTiny, tmp_path: Path) -> None:
    store, home = tmp_path / "store", tmp_path / "home"
    shutil.copytree(make_tiny(), store / TINY)
    store.chmod(0o555)
    code = """
import json
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.settings import Settings
settings = Settings.load()
use_cache(settings.models_path, settings.models_folder)
from mixpeek_dagster.models.loading import find_model
from huggingface_hub import snapshot_download
print(json.dumps([str(find_model("acme/tiny")), snapshot_download("acme/tiny", local_files_only=True)]))
"""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    variables |= {"MIXPEEK_HOME": str(home), "MIXPEEK_MODELS": str(store), "HOME": str(home), "HF_HUB_OFFLINE": "1"}
    variables |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(
        command,
        env=variables,
        preexec_fn=bound_by_permissions,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = json.loads(done.stdout)
    assert ours == theirs
    assert Path(ours).is_relative_to(home / "models")
    assert (Path(ours) / "config.json").resolve() == store / TINY / "config.json"


def test_a_prefix_without_a_bucket_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setenv("MIXPEEK_MODELS", "s3://")
    with pytest.raises(SettingsError, match=r"MIXPEEK_MODELS: .* names no bucket"):
        Settings.load()
