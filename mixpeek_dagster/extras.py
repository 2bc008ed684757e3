"""What the base package leaves out, and the extra that brings it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, metadata

from mixpeek_dagster.errors import ExtraNotInstalled

_OWN = "mixpeek-dagster"
# Modules that are named otherwise than the distribution that brings them.
_DISTRIBUTIONS = {
    "botocore": "boto3",
    "bson": "pymongo",
    "qdrant_edge": "qdrant-edge-py",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# They hold other extras, and so are no answer to which one is missing.
_BUNDLES = frozenset({"all", "dev", "docs"})


def install_command(module: str) -> str:
    """The command that installs a module with the extra that brings it; empty if none does."""
    from packaging.utils import canonicalize_name

    top = module.partition(".")[0]
    extra = _extras().get(canonicalize_name(_DISTRIBUTIONS.get(top, top)))
    return f"pip install '{_OWN}[{extra}]'" if extra else ""


def not_installed(error: ModuleNotFoundError) -> ExtraNotInstalled | None:
    """The error of an import that an extra would mend; None if none would."""
    command = install_command(error.name or "")
    if not command:
        return None
    top = str(error.name).partition(".")[0]
    why = "it is not installed here: the base package has what plugin authors need"
    return ExtraNotInstalled(f"package {top!r}", why=why, fix=f"Run: {command}")


@contextmanager
def told_of_extras() -> Iterator[None]:
    """Have an import that fails in the block say which extra is missing; also a decorator.

    Raises:
        ExtraNotInstalled: a package is not installed that an extra brings.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = not_installed(error)
        if missing is None:
            raise
        raise missing from None


@functools.cache
def _extras() -> Mapping[str, str]:
    """The first extra that names each distribution, as this package's own metadata has it."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    try:
        own = metadata(_OWN)
    except PackageNotFoundError:
        return {}
    found: dict[str, str] = {}
    needed = [Requirement(line) for line in own.get_all("Requires-Dist") or []]
    for extra in own.get_all("Provides-Extra") or []:
        if extra in _BUNDLES:
            continue
        for one in needed:
            if one.marker is not None and one.marker.evaluate({"extra": extra}):
                found.setdefault(canonicalize_name(one.name), extra)
    for one in needed:
        if one.marker is None:
            found.pop(canonicalize_name(one.name), None)
    found.pop(_OWN, None)
    return found
