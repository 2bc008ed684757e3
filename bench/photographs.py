"""Real photographs of varied sizes: crops of those that scikit-image and scikit-learn carry."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

from mixpeek_dagster.cli.demo.corpus import copy_images

_SHORTEST, _LONGEST = 300, 1600


def write_photographs(folder: Path, count: int) -> list[Path]:
    """Write `count` JPEGs, each side of 300 to 1,600 pixels; the same ones each time."""
    sources = folder / "sources"
    copy_images(sources)
    images = [_opened(path) for path in sorted(sources.iterdir())]
    chance = random.Random(0)
    paths = []
    for number in range(count):
        path = folder / f"{number:04d}.jpg"
        _crop(images[number % len(images)], chance).save(path, quality=chance.randint(80, 95))
        paths.append(path)
    return paths


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _crop(image: Image.Image, chance: random.Random) -> Image.Image:
    share = chance.uniform(0.4, 1.0)
    width, height = int(image.width * share), int(image.height * share)
    left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    size = (chance.randint(_SHORTEST, _LONGEST), chance.randint(_SHORTEST, _LONGEST))
    return image.crop((left, top, left + width, top + height)).resize(size)
