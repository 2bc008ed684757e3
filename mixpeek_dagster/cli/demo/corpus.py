"""Real files that every install has: docstrings of the standard library, licences of packages, sample images."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

from mixpeek_dagster.errors import NotFound

_SKIMAGE = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "horse.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
)
_SKLEARN = ("china.jpg", "flower.jpg")
_MIN_CHARACTERS = 100
_MAX_LICENCES = 80
_INSTALL = "pip install 'mixpeek-dagster[demo]'"


def write_texts(folder: Path) -> int:
    """Write one text file per module docstring and per licence; returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {**dict(_docstrings()), **dict(_licences())}
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return len(texts)


def copy_images(folder: Path) -> int:
    """Copy scikit-image's and scikit-learn's photographs; returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [_data_folder("skimage", "data") / name for name in _SKIMAGE]
    sources += [_data_folder("sklearn", "datasets", "images") / name for name in _SKLEARN]
    for source in sources:
        shutil.copyfile(source, folder / source.name)
    return len(sources)


def write_query_image(folder: Path) -> Path:
    """A mirrored cut-out of the cat: a picture that is not in the bucket but is like one that is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cat_cutout.png"
    with Image.open(_data_folder("skimage", "data") / "chelsea.png") as cat:
        ImageOps.mirror(cat.crop((60, 20, 400, 280))).save(path)
    return path


def _data_folder(package: str, *parts: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise NotFound(f"package {package!r}", why="the demo takes its images from it", fix=_INSTALL)
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)


def _docstrings() -> Iterator[tuple[str, str]]:
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted([*library.glob("*.py"), *library.glob("[a-z]*/[a-z_]*.py")]):
        if {"site-packages", "test", "tests", "idlelib", "lib2to3"} & set(path.parts):
            continue
        text = _docstring(path)
        if len(text) >= _MIN_CHARACTERS:
            yield _module_name(path.relative_to(library)), text


def _docstring(path: Path) -> str:
    try:
        return ast.get_docstring(ast.parse(path.read_bytes())) or ""
    except (SyntaxError, ValueError):
        return ""


def _module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _licences() -> Iterator[tuple[str, str]]:
    found = 0
    for package in sorted(importlib.metadata.distributions(), key=lambda d: d.metadata["Name"].lower()):
        for file in package.files or []:
            path = Path(str(file.locate()))
            if file.name.upper().startswith(("LICENSE", "LICENCE")) and path.is_file() and found < _MAX_LICENCES:
                found += 1
                yield f"licence of {package.metadata['Name']}", path.read_text(encoding="utf-8", errors="replace")
                break
