"""The hub as the libraries of this process see it: the store first, then the hub, if it may be asked."""

from __future__ import annotations

import os
import threading

from mixpeek_dagster.plugins.dependencies import has_module

_lock = threading.Lock()
_answering: list[bool] = []
HUB_OFF = "the hub is not asked (HF_HUB_OFFLINE)"
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})


def answer_from_store() -> None:
    """Let every library that loads models through `huggingface_hub` find those of the store, whatever its `cache_dir`.

    `from_pretrained`, `SentenceTransformer`, `snapshot_download` and the rest all speak HTTP to the hub through one
    client, which `huggingface_hub.set_client_factory` lets us make. Ours answers for the store's models in the hub's
    own words, so files land in the cache that the caller named and later calls find them there. Requests for other
    models go to the hub; if that may not be asked, they end as in offline mode.

    Offline mode itself is switched off in this process, since the libraries then ask nobody, not even us.
    """
    with _lock:
        if _answering or not has_module("huggingface_hub"):
            return  # without it nothing here can ask the hub
        from huggingface_hub import constants, set_client_factory

        from mixpeek_dagster.models.hub_client import make_client

        offline = constants.is_offline_mode()
        constants.HF_HUB_OFFLINE = False
        set_client_factory(make_client)
        _answering.append(offline)


def hub_is_off() -> bool:
    """Whether the hub may not be asked: HF_HUB_OFFLINE is set, or its name did not resolve when the process began."""
    variable = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return any(_answering) or variable.upper() in _TRUE
