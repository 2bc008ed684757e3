"""Where models come from that are not on this machine yet, other than the hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol


class RemoteFile(Protocol):
    """A file of a model: its path below the model with slashes, its size in bytes, and an etag for its content."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def etag(self) -> str: ...


class RemoteModels(Protocol):
    """A place that holds models as `org/name/files`; `url` names it for people."""

    url: str

    def prepare(self) -> None:
        """Make the place if it is not there and may be made."""
        ...

    def sizes(self, marker: str) -> dict[str, int]:
        """Sizes in bytes of the models there, by id; those that lack a file named `marker` are left out."""
        ...

    def files(self, folder: str) -> Sequence[RemoteFile]:
        """A model's files; none if it is not there."""
        ...

    def fetch(self, folder: str, name: str, etag: str, path: Path) -> None:
        """Write a file's content, as it was when it was listed, to a path.

        Raises:
            StoreError: it has changed since, or is damaged.
        """
        ...

    def put(self, folder: str, files: Mapping[str, Path]) -> None:
        """Keep a model's files, written in this order."""
        ...

    def delete(self, folder: str, first: str) -> None:
        """Delete a model's files, that named `first` before all others."""
        ...


_remote: list[Callable[[], RemoteModels | None]] = []


def set_remote_models(get: Callable[[], RemoteModels | None]) -> None:
    """Say where this process finds models; called when one is first looked for."""
    _remote[:] = [get]


def remote_models() -> RemoteModels | None:
    """The place that this process was told of, or None."""
    return _remote[0]() if _remote else None
