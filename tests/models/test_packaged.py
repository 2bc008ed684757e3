"""Packaged models load through the libraries' own calls, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mixpeek_dagster.models.packaged import install_packaged_models

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


def offline(cache: Path, code: str, *arguments: str) -> object:
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
    size, near, far = offline(cache, _TEXT)  # type: ignore[misc]
    assert size == 384
    assert near > far + 0.3


def test_the_image_model_knows_a_palace(cache: Path) -> None:
    import sklearn.datasets

    palace = Path(sklearn.datasets.__file__).parent / "images" / "china.jpg"
    assert offline(cache, _IMAGE, str(palace)) == 698
