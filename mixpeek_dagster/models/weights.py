"""Weights as state dicts: memory-mapped where the format allows it, and never by running what a file says."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixpeek_dagster.errors import InvalidRequest, StoreError
from mixpeek_dagster.extras import told_of_extras

SAFETENSORS = "*.safetensors"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_WHOLE = ("model.safetensors", "pytorch_model.bin")
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_REASON = re.compile(r"WeightsUnpickler error: (.{1,200})")
_AS_SAFETENSORS = (
    "Leave it out if it holds no weights; else save these as safetensors: "
    "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
)


@told_of_extras()
def read_weights(path: Path) -> dict[str, Any]:
    """The state dict in a file, or that of a Hugging Face folder.

    Safetensors, and PyTorch's files since 1.6, are memory-mapped: processes of one machine share their pages.

    Returns:
        Names to CPU tensors.

    Raises:
        InvalidRequest: it is none, it is damaged, or it is a pickle that would run code.
    """
    weights: dict[str, Any] = {}
    for file in weight_files(path):
        weights.update(_read_file(file))
    return weights


def require_sound_weights(folder: Path) -> None:
    """Refuse safetensors files whose header does not fit their size.

    Raises:
        StoreError: names the file.
    """
    for path in sorted(folder.rglob(SAFETENSORS)):
        try:
            require_safetensors(path)
        except InvalidRequest as error:
            raise StoreError(path.name, why=f"{path.name} is damaged: {error.why}") from None


def weight_files(path: Path) -> list[Path]:
    """The files that hold the weights: the file itself, or those of a Hugging Face folder.

    Raises:
        InvalidRequest: the folder has none, or not all of them.
    """
    if path.is_file():
        return [path]
    for name in _INDEXES:
        if (path / name).is_file():
            return [path / shard for shard in _shards(path / name)]
    found = next((path / name for name in _WHOLE if (path / name).is_file()), None)
    files = [found] if found else sorted(path.glob(SAFETENSORS))
    if not files:
        why = f"it has none of {', '.join((*_INDEXES, *_WHOLE))}"
        raise InvalidRequest(f"weights of {path.name!r}", why=why, fix="Save it with save_pretrained")
    return files


def _shards(index: Path) -> list[str]:
    try:
        shards = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError):
        raise InvalidRequest(index.name, why="it is no index of shards", fix="Save it with save_pretrained") from None
    missing = [name for name in shards if name != Path(name).name or not (index.parent / name).is_file()]
    if missing:
        raise InvalidRequest(index.name, why=f"it names shards that are not there: {', '.join(missing[:5])}")
    return shards


def _read_file(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        require_safetensors(path)
        loaded: dict[str, Any] = load_file(path)
        return loaded
    return _read_pickle(path)


def require_safetensors(path: Path) -> None:
    """Refuse a file that is no safetensors file, or whose header does not fit its size.

    Raises:
        InvalidRequest: says why.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            if not file.keys():
                raise InvalidRequest(path.name, why="it holds no tensors")
    except (SafetensorError, OSError) as error:
        raise InvalidRequest(path.name, why=f"it is no safetensors file: {error}") from None


def _read_pickle(path: Path) -> dict[str, Any]:
    import pickle

    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path) or None)
    except pickle.UnpicklingError as error:
        # Not its whole text, which advises to load it without looking.
        code, reason = _GLOBAL.search(str(error)), _REASON.search(str(error))
        why = f"it would run {code[1]}" if code else f"weights_only refuses it: {reason[1] if reason else 'no weights'}"
        raise InvalidRequest(path.name, why=f"it is a pickle, and {why}", fix=_AS_SAFETENSORS) from None
    except (RuntimeError, ValueError, OSError, EOFError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InvalidRequest(path.name, why=f"it is no state dict: {_first_line(error)}") from None
    return _require_state_dict(path.name, found)


def _require_state_dict(name: str, found: object) -> dict[str, Any]:
    import torch

    if not isinstance(found, Mapping) or not found:
        kind = type(found).__name__
        raise InvalidRequest(name, why=f"it holds a {kind} and no state dict", fix="Save model.state_dict()")
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            why = f"its entry {str(key)[:80]!r} is a {type(value).__name__} and no tensor"
            raise InvalidRequest(name, why=why, fix="Save model.state_dict() alone, without what was around it")
    return dict(found)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]
