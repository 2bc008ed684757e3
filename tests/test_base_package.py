"""What a plugin's author installs: the wheel without extras, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_ROOT = Path(__file__).parents[1]
_SDK = _ROOT / "mixpeek_dagster" / "plugin-sdk"
_LARGE = ("torch", "ray", "dagster", "transformers", "qdrant_client", "bentoml", "pyarrow", "boto3", "pymongo")
# pandas and numpy are 157 of them, and no plugin does without.
_MOST_MB = 240
_VERBS_OF_EXTRAS = {
    ("up",): "run",
    ("ingest", "."): "run",
    ("materialize", "notes"): "run",
    ("search", "notes", "words"): "run",
    ("doctor",): "run",
    ("api",): "run",
    ("keys", "list"): "run",
    ("bucket", "list"): "run",
    ("batch", "list"): "run",
    ("collection", "list"): "run",
    ("models", "list"): "run",
    ("infer",): "run",
    ("demo",): "run",
    ("plugin", "list"): "run",
    ("plugin", "push", "my_one"): "run",
    ("plugin", "bento", "my_one"): "serve",
    ("plugin", "manifests", "my_one", "--image", "i"): "serve",
}


@dataclass(frozen=True)
class Installation:
    """An environment and a folder to work in."""

    folder: Path

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        return next((self.folder / "venv" / "lib").glob("python*/site-packages"))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the environment."""
        program = self.folder / "venv" / "bin" / words[0]
        environment = {"HOME": str(self.folder), "PATH": f"{program.parent}:{os.environ['PATH']}"}
        command = [str(program), *words[1:]]
        work = self.folder / "work"
        return subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=240, check=False
        )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The base package, and pytest, which is the author's own."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "work").mkdir()
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(_ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=240)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    constraints = ["--constraint", str(_ROOT / "constraints.txt")]
    subprocess.run([*pip, *constraints, str(wheel), "pytest"], check=True, timeout=290)
    return Installation(folder)


def test_it_is_small_and_has_nothing_large(base: Installation) -> None:
    there = {path.name for path in base.packages.iterdir()}
    assert not there.intersection(_LARGE)
    names = ("pip", "setuptools", "pkg_resources")
    files = [path for path in base.packages.rglob("*") if path.is_file() and not path.is_symlink()]
    megabytes = sum(
        path.stat().st_size for path in files if not path.relative_to(base.packages).parts[0].startswith(names)
    )
    assert megabytes / 1e6 < _MOST_MB


@pytest.mark.parametrize("kind", ["text", "image", "vlm", "multi-step"])
def test_a_plugin_is_written_checked_tested_and_packed(base: Installation, kind: str) -> None:
    name = f"my_{kind.replace('-', '_')}"
    assert base.run("mixpeek", "plugin", "new", name, "--kind", kind).returncode == 0
    checked = base.run("mixpeek", "plugin", "check", name)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 errors" in checked.stdout
    tested = base.run("python", "-m", "pytest", "-q", name)
    assert tested.returncode == 0, tested.stdout
    packed = base.run("mixpeek", "plugin", "pack", name)
    assert packed.returncode == 0, packed.stderr
    assert (base.folder / "work" / f"{name}.zip").is_file()


def test_every_name_of_the_sdk_can_be_imported(base: Installation) -> None:
    modules = sorted(
        ".".join(path.relative_to(_SDK).with_suffix("").parts).removesuffix(".__init__") for path in _SDK.rglob("*.py")
    )
    lines = [f"import {module}; [getattr({module}, n) for n in getattr({module}, '__all__', [])]" for module in modules]
    done = base.run("python", "-c", "\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert len(modules) > 20


def test_a_plugin_that_imports_torch_is_told_that_it_is_not_here(base: Installation) -> None:
    base.run("mixpeek", "plugin", "new", "wants_torch")
    core = base.folder / "work" / "wants_torch" / "processors" / "core.py"
    core.write_text("import torch\n" + core.read_text(encoding="utf-8"), encoding="utf-8")
    checked = base.run("mixpeek", "plugin", "check", "wants_torch")
    assert checked.returncode == 1
    assert "core.py:1" in checked.stdout
    assert "torch is not installed here" in checked.stdout
    assert "pip install 'mixpeek-dagster[models]'" in checked.stdout
    assert "Traceback" not in checked.stdout + checked.stderr


def test_a_model_that_is_asked_for_names_the_extra(base: Installation) -> None:
    done = base.run("python", "-c", "from engine.models import load_hf_model; load_hf_model('org/name')")
    assert "pip install 'mixpeek-dagster[models]'" in done.stderr


@pytest.mark.parametrize("words", _VERBS_OF_EXTRAS, ids=" ".join)
def test_a_verb_that_needs_more_says_which_extra(base: Installation, words: tuple[str, ...]) -> None:
    if "my_one" in words and not (base.folder / "work" / "my_one").exists():
        base.run("mixpeek", "plugin", "new", "my_one")
    done = base.run("mixpeek", *words)
    assert done.returncode == 1, done.stdout
    assert f"pip install 'mixpeek-dagster[{_VERBS_OF_EXTRAS[words]}]'" in done.stderr
    assert "Traceback" not in done.stderr
