"""Tiny models, stores of models in S3, and processes that load from them."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.models.adding import ModelLibrary
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores, open_stores

TINY = "acme/tiny"
MakeTiny = Callable[..., Path]
RunCode = Callable[..., Any]


@pytest.fixture
def make_tiny(tmp_path: Path) -> MakeTiny:
    """A BERT of two small layers with a tokenizer; `seed` says what is in it, `hidden` how wide it is."""

    def make(seed: int = 0, hidden: int = 32) -> Path:
        import torch
        from tokenizers import Tokenizer, models, pre_tokenizers
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

        torch.manual_seed(seed)
        folder = tmp_path / secrets.token_hex(4)
        words = {"[PAD]": 0, "[UNK]": 1, "a": 2, "tall": 3, "tree": 4}
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=hidden,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=2 * hidden,
        )
        BertModel(config).save_pretrained(folder)
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]")
        fast.save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def s3_settings(embedded: EmbeddedStores, tmp_path: Path) -> Settings:
    """Settings of a machine whose model store is a prefix in S3 of its own."""
    values: dict[str, Any] = {
        "home": tmp_path / "home",
        "mongodb_url": embedded.mongodb_url,
        "mongodb_database": f"models_{secrets.token_hex(4)}",
        "qdrant_url": embedded.qdrant_url,
        "s3_url": embedded.s3_url,
        "s3_access_key_id": embedded.s3_access_key_id,
        "s3_secret_access_key": embedded.s3_secret_access_key,
        "models": f"s3://models/{secrets.token_hex(4)}",
    }
    return Settings.model_validate(values)


@pytest.fixture
def s3_stores(s3_settings: Settings) -> Iterator[Stores]:
    with open_stores(s3_settings) as stores:
        yield stores


@pytest.fixture
def library(s3_settings: Settings, s3_stores: Stores) -> ModelLibrary:
    library = ModelLibrary(s3_settings.models_path, s3_settings.models_folder, s3_stores.models)
    library.prepare()
    return library


@pytest.fixture
def environment(s3_stores: Stores) -> dict[str, str]:
    """Variables of a process on that machine, which reaches no hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    return {**kept, **s3_stores.environment(), "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


STEP = """
import json
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import open_stores
settings = Settings.load()
use_cache(settings.models_path, settings.models_folder)
with open_stores(settings) as stores, stores.serve_models("ns_none"):
"""


def start_step(environment: dict[str, str], code: str) -> subprocess.Popen[str]:
    """Start code as a step would run: the stores open, and the models of the store at hand."""
    lines = "".join(f"    {line}\n" for line in code.strip().splitlines())
    command = [sys.executable, "-W", "ignore", "-c", STEP + lines]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def run_step(environment: dict[str, str]) -> RunCode:
    """Run code as a step would run, and give the JSON on its last line."""

    def run(code: str, **more: str) -> Any:
        process = start_step({**environment, **more}, code)
        said, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        return json.loads(said.splitlines()[-1])

    return run
