"""Models by Hugging Face id, loaded once in a process and shared by all that ask for them."""

from __future__ import annotations

import importlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixpeek_dagster.errors import InvalidRequest, ModelNotFound, StepError
from mixpeek_dagster.models.cache import snapshot_of

_loaded: dict[ModelRequest, LoadedModel] = {}
_locks: dict[ModelRequest, threading.Lock] = {}
_guard = threading.Lock()


@dataclass(frozen=True)
class ModelRequest:
    """What is to be loaded, and how.

    Args:
        model_id: `org/name`.
        model_class: class of `transformers` that holds the model, or the dotted path of one of this project.
        tokenizer_class: class of `transformers` for its tokenizer or processor; None for none.
        torch_dtype: name of a torch dtype, such as `float16`; None takes that of the checkpoint.
        device: where the model goes, such as `cpu` or `cuda`.
    """

    model_id: str
    model_class: str = "AutoModel"
    tokenizer_class: str | None = "AutoTokenizer"
    torch_dtype: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for inference, its tokenizer, and where its files are."""

    model: Any
    tokenizer: Any
    folder: Path


def load_model(wanted: ModelRequest) -> LoadedModel:
    """The model and its tokenizer; the first call in a process loads them, later ones get the same objects.

    Raises:
        ModelNotFound: it is not on this machine and the hub cannot give it.
        InvalidRequest: `transformers` has no such class, or torch no such dtype.
        StepError: the files cannot be loaded as that class.
    """
    with _guard:
        lock = _locks.setdefault(wanted, threading.Lock())
    with lock:
        if wanted not in _loaded:
            _loaded[wanted] = _load(wanted)
        return _loaded[wanted]


def load_hf_model(
    hf_model_id: str,
    model_class: str = "AutoModel",
    tokenizer_class: str | None = "AutoTokenizer",
    torch_dtype: str | None = None,
) -> dict[str, Any]:
    """A model's parts, for those who build it themselves.

    Returns:
        `config` (dict), `state_dict` (names to tensors, shared with all other callers), `tokenizer_config` with
        `tokenizer_dir`, `model_dir`, and `hf_model_id`. The model itself is rebuilt with
        `AutoModel.from_config(AutoConfig.for_model(**parts["config"]))` and `load_state_dict`.

    Raises:
        MixpeekError: as `load_model`.
    """
    found = load_model(ModelRequest(hf_model_id, model_class, tokenizer_class, torch_dtype))
    folder = str(found.folder)
    return {
        "hf_model_id": hf_model_id,
        "config": found.model.config.to_dict(),
        "state_dict": found.model.state_dict(),
        "tokenizer_config": {"tokenizer_dir": folder, "tokenizer_class": tokenizer_class},
        "model_dir": folder,
    }


def find_model(model_id: str) -> Path:
    """Folder with a model's files: in the cache, else fetched from the hub if it can be reached.

    Raises:
        InvalidRequest: it is no `org/name`.
        ModelNotFound: it is in neither place.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    cache = Path(constants.HF_HUB_CACHE)
    if (there := snapshot_of(cache, model_id)) is not None:
        return there
    where = f"it is not in {cache}"
    if os.environ.get("HF_HUB_OFFLINE") != "1":
        try:
            return Path(snapshot_download(model_id, cache_dir=cache))
        except HFValidationError as error:
            raise InvalidRequest(f"model {model_id!r}", why=str(error), fix="Write it as org/name") from None
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            where += f", and {constants.ENDPOINT} did not give it: {str(error).splitlines()[0]}"
    else:
        where += f", and {constants.ENDPOINT} is not asked (HF_HUB_OFFLINE)"
    fix = f"Put its files into {cache / model_id}, or run where the hub can be reached: hf download {model_id}"
    raise ModelNotFound(f"model {model_id!r}", why=where, fix=fix)


def _load(wanted: ModelRequest) -> LoadedModel:
    import torch

    model_class = _transformers_class(wanted.model_class)
    tokenizer_class = _transformers_class(wanted.tokenizer_class) if wanted.tokenizer_class else None
    options: dict[str, Any] = {}
    if wanted.torch_dtype is not None:
        options["dtype"] = getattr(torch, wanted.torch_dtype.removeprefix("torch."), None)
        if not isinstance(options["dtype"], torch.dtype):
            raise InvalidRequest(f"torch_dtype {wanted.torch_dtype!r}", why="torch has no such dtype")
    folder = find_model(wanted.model_id)
    try:
        model = model_class.from_pretrained(folder, **options)
        tokenizer = tokenizer_class.from_pretrained(folder) if tokenizer_class else None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        why = f"{wanted.model_class} cannot load {folder}: {error}"
        raise StepError(f"model {wanted.model_id!r}", why=why, fix="Name the classes that fit it") from error
    return LoadedModel(model.to(wanted.device).eval().requires_grad_(False), tokenizer, folder)


def _transformers_class(name: str) -> Any:
    module, _, name = ("transformers." + name if "." not in name else name).rpartition(".")
    found = getattr(importlib.import_module(module), name, None)
    if not hasattr(found, "from_pretrained"):
        fix = "Name one that can be loaded, such as AutoModel or AutoTokenizer"
        raise InvalidRequest(f"class {name!r}", why="transformers has no such model or tokenizer", fix=fix)
    return found
