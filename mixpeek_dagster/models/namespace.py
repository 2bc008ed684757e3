"""Models that were uploaded to a namespace, for the steps that run in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.models.weights import read_weights

Find = Callable[[str], Path]


@dataclass(frozen=True)
class _Scope:
    namespace_id: str
    find: Find


_current: ContextVar[_Scope | None] = ContextVar("namespace_models", default=None)
_active: list[_Scope] = []
_loaded: dict[Path, dict[str, Any]] = {}
_locks: dict[Path, threading.Lock] = {}
_guard = threading.Lock()


@contextmanager
def models_of(namespace_id: str, find: Find) -> Iterator[None]:
    """Let what runs in the block, also in threads that it starts, load models of this namespace, and of no other.

    Args:
        namespace_id: whose models.
        find: file or folder of one of its models on this machine, by model id; the path names the content.
    """
    scope = _Scope(namespace_id, find)
    token = _current.set(scope)
    with _guard:
        _active.append(scope)
    try:
        yield
    finally:
        with _guard:
            _active.remove(scope)
        _current.reset(token)


def load_namespace_model(model_id: str) -> dict[str, Any]:
    """The weights of a model of the namespace that this step runs in.

    They are fetched once on each machine, memory-mapped and shared by its processes, and loaded once in a process. They
    are shared by all callers: copy what you change.

    Args:
        model_id: `{name}_{version}` with underscores for dots, such as `my-fine-tuned-bert_1_0_0`.

    Returns:
        A state dict: names to CPU tensors.

    Raises:
        InvalidRequest: no step runs here.
        NotFound: the namespace has no such model.
        StoreError: its file is damaged.
    """
    path = find_namespace_model(model_id)
    with _guard:
        lock = _locks.setdefault(path, threading.Lock())
    with lock:
        if path not in _loaded:
            _loaded[path] = read_weights(path)
        return dict(_loaded[path])


def find_namespace_model(model_id: str) -> Path:
    """File or folder of a model of the namespace that this step runs in, fetched if it is not on this machine.

    Raises:
        MixpeekError: as `load_namespace_model`.
    """
    return _scope(model_id).find(model_id)


def _scope(model_id: str) -> _Scope:
    if (scope := _current.get()) is not None:
        return scope
    # A thread that the plugin started does not see the context that it was started in.
    with _guard:
        active = {scope.namespace_id: scope for scope in _active}
    if len(active) == 1:
        return next(iter(active.values()))
    why = "steps of several namespaces run in this process" if active else "no step of a collection runs here"
    fix = "Load it in a processor, when the first batch comes"
    raise InvalidRequest(f"model {model_id!r} of a namespace", why=why, fix=fix)
