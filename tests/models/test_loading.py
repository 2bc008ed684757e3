"""Models by id: found as plain folders or in the cache, loaded once, and said when missing."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mixpeek_dagster.errors import InvalidRequest, ModelNotFound, PluginError
from mixpeek_dagster.models import loading
from mixpeek_dagster.models.cache import is_cached, link_folders
from mixpeek_dagster.models.lazy import LazyModelMixin, lazy_model
from mixpeek_dagster.models.loading import ModelRequest, load_hf_model, load_model
from mixpeek_dagster.models.packaged import install_packaged_models
from mixpeek_dagster.plugins.services import BaseBatchInferenceService

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the packaged models, which no test changes."""
    folder = tmp_path_factory.mktemp("packaged") / "models"
    install_packaged_models(folder)
    return folder


@pytest.fixture
def cache(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where the library looks for models, and none loaded yet."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(packaged))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(loading, "_loaded", {})
    return packaged


def test_a_model_is_loaded_once_however_many_ask(cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: load_model(ModelRequest(MINILM)), range(8)))
    assert len({id(item.model) for item in found}) == 1
    assert not found[0].model.training
    assert not any(parameter.requires_grad for parameter in found[0].model.parameters())


def test_a_model_can_be_rebuilt_of_its_parts(cache: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    parts = load_hf_model(MINILM, "AutoModel", "AutoTokenizer", "float32")
    model = AutoModel.from_config(AutoConfig.for_model(**parts["config"]))
    model.load_state_dict(parts["state_dict"])
    tokenizer = AutoTokenizer.from_pretrained(parts["tokenizer_config"]["tokenizer_dir"])
    inputs = tokenizer(["a tall tree"], return_tensors="pt")
    whole = load_model(ModelRequest(MINILM, torch_dtype="float32")).model
    with torch.inference_mode():
        assert torch.allclose(model.eval()(**inputs).last_hidden_state, whole(**inputs).last_hidden_state, atol=1e-5)


def test_the_type_of_numbers_is_as_asked(cache: Path) -> None:
    import torch

    assert load_model(ModelRequest(MINILM, torch_dtype="float16")).model.dtype is torch.float16
    with pytest.raises(InvalidRequest, match="float17"):
        load_model(ModelRequest(MINILM, torch_dtype="float17"))


class _Embedder(LazyModelMixin, BaseBatchInferenceService):
    model_id = MINILM

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config

    def _process_batch(self, batch: pd.DataFrame) -> pd.DataFrame:
        encoder, tokenize = self.get_model()
        hidden = encoder(**tokenize(list(batch["text"]), return_tensors="pt", padding=True)).last_hidden_state
        batch["embedding"] = hidden.mean(dim=1).tolist()
        return batch


class _Quick:
    def __init__(self) -> None:
        self._model: Any = None
        self._tokenizer: Any = None

    @lazy_model(model_id=MINILM, model_class="AutoModel", tokenizer_class="AutoTokenizer")
    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        tokens = self._tokenizer(list(batch["text"]), return_tensors="pt", padding=True)
        batch["embedding"] = self._model(**tokens).last_hidden_state.mean(dim=1).tolist()
        return batch

    @lazy_model(MINILM)
    async def later(self, text: str) -> int:
        return len(self._tokenizer(text)["input_ids"])


def test_the_lazy_ways_load_with_the_first_batch_and_agree(cache: Path) -> None:
    texts = ["a tall tree", "rain over the sea for three days"]
    mixed, quick = _Embedder({}), _Quick()
    assert loading._loaded == {}
    first = mixed(pd.DataFrame({"text": texts}))["embedding"]
    second = quick(pd.DataFrame({"text": texts}))["embedding"]
    assert first.tolist() == second.tolist()
    assert len(first[0]) == 384
    assert len(loading._loaded) == 1
    assert asyncio.run(_Quick().later("a tall tree")) == 5


def test_a_mixin_without_a_model_says_so() -> None:
    with pytest.raises(PluginError, match="model_id"):
        LazyModelMixin().get_model()


def test_a_missing_model_says_where_it_was_looked_for(cache: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        load_model(ModelRequest("nobody/nothing"))
    assert str(cache) in str(caught.value)
    assert "mixpeek models pull nobody/nothing" in str(caught.value)


def test_a_class_that_is_not_there_is_refused(cache: Path) -> None:
    with pytest.raises(InvalidRequest, match="AutoMobile"):
        load_model(ModelRequest(MINILM, model_class="AutoMobile"))


def test_a_plain_folder_is_found_by_every_way_of_loading(cache: Path, tmp_path: Path) -> None:
    source = loading.find_model(MINILM)
    cache = shutil.copytree(cache, tmp_path / "models", symlinks=True)
    shutil.copytree(source, cache / "acme" / "tiny")
    assert link_folders(cache) == ["acme/tiny"]
    assert link_folders(cache) == []
    assert is_cached(cache, "acme/tiny")
    code = "from transformers import AutoModel; print(AutoModel.from_pretrained('acme/tiny').config.hidden_size)"
    variables = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "384", done.stderr
