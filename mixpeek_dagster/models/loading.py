"""Models by Hugging Face id, loaded once in a process and shared by all that ask for them."""

from __future__ import annotations

import importlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixpeek_dagster.errors import InvalidRequest, ModelNotFound, StepError
from mixpeek_dagster.extras import told_of_extras
from mixpeek_dagster.models.cache import is_cached, is_model_id, require_model_id, snapshot_of
from mixpeek_dagster.models.hub import HUB_OFF, hub_is_off
from mixpeek_dagster.models.store import find_in_store, hub_cache, not_found

_loaded: dict[ModelRequest, LoadedModel] = {}
_locks: dict[ModelRequest, threading.Lock] = {}
_guard = threading.Lock()
_OURS = "mixpeek_dagster."


@dataclass(frozen=True)
class ModelRequest:
    """What is to be loaded, and how.

    Args:
        model_id: `org/name`, or the absolute path of a folder.
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


@told_of_extras()
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


@told_of_extras()
def find_model(model_id: str) -> Path:
    """Folder with a model's files: from the store, else from the hub's cache on this machine, else from the hub.

    Raises:
        InvalidRequest: it is no `org/name`.
        ModelNotFound: it is nowhere.
        StoreError: the store has it, but damaged.
    """
    require_model_id(model_id)
    cache = hub_cache()
    if (there := find_in_store(model_id) or _downloaded(cache, model_id)) is not None:
        return there
    why = HUB_OFF
    if not hub_is_off():
        try:
            return download(model_id)
        except ModelNotFound as error:
            why = error.why
    raise not_found(model_id, why)


@told_of_extras()
def download(model_id: str, revision: str | None = None) -> Path:
    """Fetch a model from the hub into this machine's cache.

    Raises:
        ModelNotFound: the hub did not give it.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # exported for libraries, lazily

    try:
        return Path(snapshot_download(model_id, revision=revision, cache_dir=hub_cache()))
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
        why = f"{constants.ENDPOINT} did not give it: {str(error).splitlines()[0]}"
        raise ModelNotFound(f"model {model_id!r}", why=why) from error


def _downloaded(cache: Path, model_id: str) -> Path | None:
    """What the hub's client has put into the cache, if it is whole as far as the client can tell."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if snapshot_of(cache, model_id) is None:
        return None
    try:
        return Path(snapshot_download(model_id, cache_dir=cache, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


@told_of_extras()
def is_hf_model_cached(hf_model_id: str) -> bool:
    """Whether a model is on this machine, so that loading it fetches nothing."""
    return is_model_id(hf_model_id) and is_cached(hub_cache(), hf_model_id)


def load_tokenizer(tokenizer_class: str, folder: str) -> Any:
    """A tokenizer or processor out of a model's folder.

    Raises:
        InvalidRequest: `transformers` has no such class.
        StepError: the folder has none of that class.
    """
    kind = _transformers_class(tokenizer_class)
    try:
        return kind.from_pretrained(folder)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        why = f"{tokenizer_class} cannot load {folder}: {error}"
        fix = "Name the class that fits it, or tokenizer_class = None"
        raise StepError(f"tokenizer {tokenizer_class!r}", why=why, fix=fix) from error


def _load(wanted: ModelRequest) -> LoadedModel:
    import torch

    model_class = _transformers_class(wanted.model_class)
    tokenizer_class = _transformers_class(wanted.tokenizer_class) if wanted.tokenizer_class else None
    options: dict[str, Any] = {}
    if wanted.torch_dtype is not None:
        options["dtype"] = getattr(torch, wanted.torch_dtype.removeprefix("torch."), None)
        if not isinstance(options["dtype"], torch.dtype):
            raise InvalidRequest(f"torch_dtype {wanted.torch_dtype!r}", why="torch has no such dtype")
    folder = Path(wanted.model_id) if Path(wanted.model_id).is_absolute() else find_model(wanted.model_id)
    try:
        # On the CPU, in the checkpoint's own type, parameters are the file's pages, which processes share.
        model = model_class.from_pretrained(folder, **options)
        tokenizer = tokenizer_class.from_pretrained(folder) if tokenizer_class else None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        why = f"{wanted.model_class} cannot load {folder}: {error}"
        raise StepError(f"model {wanted.model_id!r}", why=why, fix="Name the classes that fit it") from error
    return LoadedModel(model.to(wanted.device).eval().requires_grad_(False), tokenizer, folder)


def _transformers_class(name: str) -> Any:
    module, _, kind = (name if name.startswith(_OURS) else f"transformers.{name}").rpartition(".")
    found = None if module.startswith("transformers.") else getattr(importlib.import_module(module), kind, None)
    if not hasattr(found, "from_pretrained"):
        fix = "Name one that can be loaded, such as AutoModel or AutoTokenizer"
        raise InvalidRequest(f"class {name!r}", why="transformers has no such model or tokenizer", fix=fix)
    return found
