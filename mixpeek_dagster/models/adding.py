"""Models entered into the store, taken out of it, and listed."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mixpeek_dagster.errors import AlreadyExists, InvalidRequest, NotFound, StoreError
from mixpeek_dagster.models.cache import (
    CONFIG,
    adopt_folders,
    cached_models,
    is_model_id,
    is_own,
    model_folder,
    model_lock,
    require_model_id,
    snapshot_files,
    snapshot_of,
)
from mixpeek_dagster.models.fetching import CHECKSUMS, checksums, forget
from mixpeek_dagster.models.inspection import inspect_weights
from mixpeek_dagster.models.packaged import PACKAGED
from mixpeek_dagster.models.remote import RemoteModels
from mixpeek_dagster.models.weights import PICKLES, SAFETENSORS, require_sound_weights


@dataclass(frozen=True)
class ListedModel:
    """A model as a list shows it.

    Args:
        model_id: `org/name`.
        place: where it is: the store's place, the hub's cache on this machine, or a package.
        size: in bytes.
        cached: whether it is on this machine.
    """

    model_id: str
    place: str
    size: int
    cached: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class ModelLibrary:
    """The store's models: in a folder, or in a remote place with copies on this machine.

    Args:
        cache: Hugging Face cache of this machine.
        folder: where models lie as `org/name`; may be the cache.
        remote: the remote place, if the store is one.
    """

    cache: Path
    folder: Path
    remote: RemoteModels | None

    @property
    def place(self) -> str:
        """The store, for people."""
        return self.remote.url if self.remote else str(self.folder)

    def prepare(self) -> None:
        """Make the store's place if it is not there and may be made; call it before the first `add`."""
        if self.remote is not None:
            self.remote.prepare()

    def add(self, source: Path, model: str) -> int:
        """Copy a model's folder into the store; gives its size in bytes.

        Raises:
            InvalidRequest: it is no model, or holds a pickle that would run code.
            AlreadyExists: the store has a model of this id.
            StoreError: the store cannot be written to.
        """
        require_model_id(model)
        files = checked_files(source)
        if self._has(model):
            fix = f"Remove it first: mixpeek models rm {model}"
            raise AlreadyExists(f"model {model!r}", why=f"{self.place} has one of this id", fix=fix)
        (self._put if self.remote else self._copy)(model, files)
        return sum(path.stat().st_size for path in files.values())

    def remove(self, model: str) -> None:
        """Take a model out of the store and off this machine.

        Raises:
            NotFound: it is in neither.
        """
        require_model_id(model)
        found = self._has(model)
        if self.remote is not None:
            self.remote.delete(model, first=CONFIG)
            forget(model)
        elif (folder := self.folder / model).is_dir():
            _delete(folder)
        with model_lock(self.cache, model):
            cached = model_folder(self.cache, model)
            if cached.is_symlink():
                cached.unlink()
            elif cached.is_dir():
                _delete(cached)
                found = True
        if not found:
            raise NotFound(f"model {model!r}", why=f"it is neither in {self.place} nor in {self.cache}")

    def models(self) -> list[ListedModel]:
        """Everything that can be loaded by its id without the hub, and what packages could add; by id."""
        cached = cached_models(self.cache)
        listed = {
            model: ListedModel(model, self.place if is_own(path) else "hub cache", _size(path), cached=True)
            for model, path in cached.items()
        }
        if self.remote is not None:
            for model, size in self.remote.sizes(CONFIG).items():
                if is_model_id(model):
                    listed[model] = ListedModel(model, self.place, size, cached=model in cached)
        for packaged in PACKAGED:
            if packaged.name not in listed and packaged.folder is not None:
                listed[packaged.name] = ListedModel(packaged.name, f"package {packaged.module}", 0, cached=False)
        return [listed[model] for model in sorted(listed)]

    def _has(self, model: str) -> bool:
        if self.remote is not None:
            return bool(self.remote.files(model))
        there = snapshot_of(self.cache, model)
        return (self.folder / model).is_dir() or (there is not None and is_own(there))

    def _put(self, model: str, files: dict[str, Path]) -> None:
        assert self.remote is not None
        with tempfile.TemporaryDirectory(prefix="mixpeek-add-") as work:
            sums = Path(work) / CHECKSUMS
            sums.write_text(checksums(files), encoding="utf-8")
            # A model is one only with its config: until that is there, nobody fetches the others.
            self.remote.put(model, {**_without(files, CONFIG), CHECKSUMS: sums, CONFIG: files[CONFIG]})
        forget(model)

    def _copy(self, model: str, files: dict[str, Path]) -> None:
        target = self.folder / model
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staged = Path(tempfile.mkdtemp(prefix=".adding-", dir=target.parent))
        except OSError as error:
            fix = "Set MIXPEEK_MODELS to a place that can be written to"
            raise StoreError(f"model store {self.place}", why=str(error), fix=fix) from None
        try:
            for name, path in files.items():
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, staged / name)
            staged.chmod(0o755)
            staged.rename(target)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        adopt_folders(self.cache, self.folder)


def checked_files(folder: Path) -> dict[str, Path]:
    """A model folder's files by name, hidden ones left out, once it is known that loading them runs no code.

    Raises:
        InvalidRequest: it has no config.json, no safetensors weights, damaged ones, or a pickle that would run code.
    """
    if not (folder / CONFIG).is_file():
        fix = "Name a folder that save_pretrained wrote"
        raise InvalidRequest(f"folder {str(folder)!r}", why=f"it has no {CONFIG}", fix=fix)
    files = {n: p for n, p in snapshot_files(folder).items() if not any(part.startswith(".") for part in n.split("/"))}
    if not any(path.match(SAFETENSORS) for path in files.values()):
        fix = "Save it with save_pretrained, which writes model.safetensors"
        raise InvalidRequest(f"folder {str(folder)!r}", why="it has no safetensors weights", fix=fix)
    try:
        require_sound_weights(folder)
    except StoreError as error:
        raise InvalidRequest(f"folder {str(folder)!r}", why=error.why) from None
    for path in files.values():
        if any(path.match(pattern) for pattern in PICKLES):
            inspect_weights(path)
    return _without(files, CHECKSUMS)


def _without(files: dict[str, Path], name: str) -> dict[str, Path]:
    return {key: path for key, path in files.items() if key != name}


def _delete(folder: Path) -> None:
    # Gone at once for whoever looks; a process that has its files open keeps them.
    going = Path(tempfile.mkdtemp(prefix=".removing-", dir=folder.parent)) / folder.name
    folder.rename(going)
    shutil.rmtree(going.parent)


def _size(snapshot: Path) -> int:
    return sum(path.stat().st_size for path in snapshot_files(snapshot).values())
