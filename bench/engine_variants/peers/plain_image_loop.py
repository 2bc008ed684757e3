"""Images in S3, one by one: fetch, decode, forward. `python plain_image_loop.py URLS VECTORS`.

Prints images a second without the loading of the model; writes the vectors as a float32 array (images, 1280).
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from shared.plugins import open_asset
from transformers import AutoImageProcessor, AutoModel

from mixpeek_dagster.cli.session import open_session

_MODEL = "torchvision/mobilenet_v2"


def main(urls_file: str, target: str) -> None:
    """Measure."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    urls = Path(urls_file).read_text(encoding="utf-8").split()
    with open_session():
        processor, model = AutoImageProcessor.from_pretrained(_MODEL), AutoModel.from_pretrained(_MODEL).eval()
        _embed(urls[:2], processor, model)
        started = time.perf_counter()
        vectors = _embed(urls, processor, model)
        seconds = time.perf_counter() - started
    np.save(target, np.stack(vectors))
    print(json.dumps({"seconds": seconds, "images_per_second": len(urls) / seconds}))


def _embed(urls: list[str], processor: Any, model: Any) -> list[np.ndarray]:
    vectors = []
    for url in urls:
        with open_asset(url) as path, Image.open(path) as image:
            pixels = processor(images=image.convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            vectors.append(model(**pixels).pooler_output[0].numpy())
    return vectors


if __name__ == "__main__":
    main(*sys.argv[1:])
