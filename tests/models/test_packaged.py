"""Packaged models load through the libraries' own calls, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.models import packaged
from mixpeek_dagster.models.packaged import install_packaged_models
from mixpeek_dagster.models.whisper import read_ctranslate2

_TEXT = """
import json
from sentence_transformers import SentenceTransformer
model = SentenceTransformer("all-MiniLM-L6-v2")
query, near, far = model.encode(["how do I make coffee?", "grind the beans for an espresso", "stocks fell today"])
print(json.dumps([len(query), float(query @ near), float(query @ far)]))
"""
_IMAGE = """
import json, sys
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification
name = "torchvision/mobilenet_v2"
pixels = AutoImageProcessor.from_pretrained(name)(images=[Image.open(sys.argv[1])], return_tensors="pt")
print(json.dumps(int(AutoModelForImageClassification.from_pretrained(name).eval()(**pixels).logits.argmax())))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    install_packaged_models(folder)
    return folder


def offline(cache: Path, code: str, *arguments: str) -> Any:
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_installing_twice_changes_nothing(cache: Path) -> None:
    before = sorted(cache.rglob("*"))
    install_packaged_models(cache)
    assert sorted(cache.rglob("*")) == before


def test_the_text_model_puts_what_belongs_together_together(cache: Path) -> None:
    size, near, far = offline(cache, _TEXT)
    assert size == 384
    assert near > far + 0.3


@pytest.mark.slow
def test_the_image_model_knows_a_palace(cache: Path) -> None:
    import sklearn.datasets

    palace = Path(sklearn.datasets.__file__).parent / "images" / "china.jpg"
    assert offline(cache, _IMAGE, str(palace)) == 698


def test_a_model_whose_package_may_be_missing_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "PACKAGED", [replace(m, module="no_such_package") for m in packaged.PACKAGED])
    optional = [model for model in packaged.PACKAGED if model.optional]
    with pytest.raises(NotFound, match="its package is missing"):
        install_packaged_models(tmp_path)
    monkeypatch.setattr(packaged, "PACKAGED", optional)
    assert install_packaged_models(tmp_path) == []


def test_weights_of_another_format_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes((7).to_bytes(4, "little"))
    with pytest.raises(NotFound, match="format 7, not 6"):
        read_ctranslate2(tmp_path / "model.bin")
