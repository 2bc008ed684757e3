"""Which models this machine's store has, and where one is that is asked for by its id."""

from __future__ import annotations

from pathlib import Path

from mixpeek_dagster.errors import ModelNotFound
from mixpeek_dagster.models.cache import is_model_id, is_own, snapshot_of
from mixpeek_dagster.models.fetching import fetched
from mixpeek_dagster.models.remote import remote_models


def find_in_store(model: str) -> Path | None:
    """Folder of a model that the store has, fetched first if it is not on this machine; None if the store has it not.

    What the hub's client has put into the cache does not count: it may be incomplete, and may be newer at the hub.

    Raises:
        StoreError: it is damaged there.
        StoreUnavailable: the store does not answer, and this machine has no copy.
    """
    if not is_model_id(model):
        return None
    cache = hub_cache()
    remote = remote_models()
    if remote is not None and (folder := fetched(cache, model, remote)) is not None:
        return folder
    there = snapshot_of(cache, model)
    return there if there is not None and is_own(there) else None


def hub_cache() -> Path:
    """The cache folder that the Hugging Face libraries of this process use."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def not_found(model: str, why: str) -> ModelNotFound:
    """The error for a model that is nowhere: each place that was looked at, and the command that fetches it."""
    remote = remote_models()
    cache = hub_cache()
    places = [f"{remote.url}/{model}"] if remote is not None else []
    places += [str(cache / model), f"the Hugging Face cache {cache}"]
    fix = f"Run where the hub can be reached: mixpeek models pull {model}"
    return ModelNotFound(f"model {model!r}", why=f"it is not in {', not in '.join(places)}; {why}", fix=fix)
