"""Virtual environments of other engines, made when first needed and kept."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

_REQUIREMENTS = Path(__file__).parent / "engine_variants" / "peers"


class Unavailable(Exception):
    """An environment cannot be made here; says why."""


def peer_python(name: str, folder: Path, *, within: Path = _REQUIREMENTS, on_top: bool = False) -> Path:
    """The interpreter of a peer's environment, with the packages of `requirements-<name>.txt`.

    Args:
        folder: where environments are kept; one that was made of other requirements is not used.
        within: folder of the requirements.
        on_top: it sees the packages of this environment, too, and gets only what these lack.

    Raises:
        Unavailable: pip cannot install the packages.
    """
    requirements = within / f"requirements-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:8]
    home = folder / f"{name}-{digest}"
    python, done = home / "bin" / "python", home / ".installed"
    if done.exists():
        return python
    venv.create(home, with_pip=True, clear=True)
    if on_top:
        own = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})["purelib"]
        (Path(own) / "below.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
    print(f"installing {name} into {home}", file=sys.stderr, flush=True)
    installed = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
    if installed.returncode:
        lines = installed.stderr.strip().splitlines()
        raise Unavailable(f"pip cannot install {requirements.name}: {lines[-1] if lines else 'it says nothing'}")
    done.touch()
    return python
