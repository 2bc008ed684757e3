"""What a manifest's `dependencies` ask for, against what is installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable, Iterator

from mixpeek_dagster.extras import install_command

# Distributions that bring a module which others bring, too, so that only the module's presence counts.
_MODULES = {"opencv-python": "cv2", "opencv-python-headless": "cv2", "ffmpeg-python": "ffmpeg", "pillow": "PIL"}


def dependency_problems(dependencies: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Code, message and fix of each dependency that is not met here."""
    from packaging.requirements import InvalidRequirement, Requirement

    for text in dependencies:
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            yield "dependency_invalid", f"dependency {text!r} cannot be read: {reason}", "Write it as 'pillow>=11'"
            continue
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        installed = _installed(wanted.name)
        if installed is None:
            fix = install_command(wanted.name) or f"pip install '{text}'"
            yield "dependency_missing", f"{wanted.name} is not installed here", fix
        elif installed and not wanted.specifier.contains(installed, prereleases=True):
            message = f"{text!r} is wanted, {wanted.name} {installed} is installed here"
            yield "dependency_version", message, f"pip install '{text}', or change the manifest"


def _installed(name: str) -> str | None:
    """The version; empty if only the module is known to be there, None if it is not."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "" if has_module(_MODULES.get(name.lower(), name.replace("-", "_"))) else None


def has_module(name: str) -> bool:
    """Whether a top-level module can be imported here; it is not."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
