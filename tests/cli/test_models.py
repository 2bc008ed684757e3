"""`mixpeek models` as a process: the store of this installation, and the models of the namespace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.cli.conftest import Mixpeek


def write_model(folder: Path) -> Path:
    folder.mkdir()
    save_file({"weight": torch.ones(2, 3)}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return folder


def listed(mixpeek: Mixpeek, **environment: str) -> dict[str, Any]:
    found = mixpeek("models", "list", "--json", **environment)
    assert found.returncode == 0, found.stderr
    return {model["model_id"]: model for model in json.loads(found.stdout)}


def test_a_model_is_added_listed_pulled_and_removed(mixpeek: Mixpeek, tmp_path: Path) -> None:
    store = {"MIXPEEK_MODELS": str(tmp_path / "store")}
    source = write_model(tmp_path / "source")
    added = mixpeek("models", "add", str(source), "--id", "acme/tiny", "--json", **store)
    assert added.returncode == 0, added.stderr
    assert json.loads(added.stdout)["place"] == store["MIXPEEK_MODELS"]
    pulled = mixpeek("models", "pull", "acme/tiny", "--json", **store)
    assert (Path(json.loads(pulled.stdout)["path"]) / "config.json").is_file()
    assert listed(mixpeek, **store)["acme/tiny"]["cached"] is True
    assert mixpeek("models", "rm", "acme/tiny", **store).returncode == 0
    missing = mixpeek("models", "pull", "acme/tiny", **store)
    assert missing.returncode == 1
    assert "mixpeek models pull acme/tiny" in missing.stderr
    assert "Traceback" not in missing.stderr


@pytest.mark.slow
def test_packaged_models_are_added_to_a_prefix_in_s3(mixpeek: Mixpeek) -> None:
    store = {"MIXPEEK_MODELS": "s3://shelf/models"}
    added = mixpeek("models", "add", "--packaged", "--json", **store)
    assert added.returncode == 0, added.stderr
    names = {model["model_id"] for model in json.loads(added.stdout)}
    assert "sentence-transformers/all-MiniLM-L6-v2" in names
    again = mixpeek("models", "add", "--packaged", "--json", **store)
    assert json.loads(again.stdout) == []


def test_wrong_options_are_one_clear_error(mixpeek: Mixpeek, tmp_path: Path) -> None:
    refused = mixpeek("models", "add", str(tmp_path))
    assert refused.returncode == 1
    assert "FOLDER --id org/name" in refused.stderr


@pytest.mark.slow
def test_a_folder_is_uploaded_to_the_namespace_and_deleted(mixpeek: Mixpeek, tmp_path: Path) -> None:
    source = write_model(tmp_path / "bert")
    sent = mixpeek("models", "upload", str(source), "--name", "my-bert", "--version", "1.0.0", "--json")
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout)["model_id"] == "my-bert_1_0_0"
    assert listed(mixpeek)["my-bert_1_0_0"]["kind"] == "namespace"
    assert mixpeek("models", "rm", "my-bert_1_0_0").returncode == 0
