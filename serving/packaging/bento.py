"""A plugin's realtime endpoint as a Bento: `bentoml serve` runs it, `bentoml containerize` makes an image of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mixpeek_dagster.errors import PluginError, ServingError
from mixpeek_dagster.plugins.folder import plugin_files
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.spec import PluginSpec
from mixpeek_dagster.version import __version__
from serving.packaging.requirements import pinned_requirements

_PACKAGES = ("mixpeek_dagster", "serving", "engine", "shared", "api")
# The import names of plugins are packages beside ours once they are installed.
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "plugin-sdk")
_SERVICE = '''"""Serves the plugin beside it."""

import os
from pathlib import Path

# Whatever the surroundings say, this Bento is of one plugin.
os.environ["MIXPEEK_SERVE_PLUGINS"] = str(Path(__file__).resolve().parent / "plugin" / {folder!r})

from serving.plugin_service import PluginService

if PluginService.endpoints.unserved:
    raise RuntimeError("; ".join(PluginService.endpoints.unserved.values()))

__all__ = ["PluginService"]
'''
# In a process of its own: it imports the plugin, from the folder that becomes the Bento.
_BUILD = """
import json, sys
import bentoml
context, output = sys.argv[1:]
made = bentoml.bentos.build_bentofile("bentofile.yaml", build_ctx=context)
path = bentoml.export_bento(made.tag, output) if output else None
print(json.dumps({"tag": str(made.tag), "path": path}))
"""
_SECONDS = 600.0
_LABEL_CHARACTERS = 63
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "BENTOML_HOME")


@dataclass(frozen=True)
class Bento:
    """A Bento in BentoML's store, and its file if it was exported."""

    tag: str
    file: Path | None


def build_bento(folder: Path, *, output: Path | None = None) -> Bento:
    """Build a Bento of a plugin: its folder, our packages as they are installed, and pinned requirements.

    Args:
        folder: the plugin's.
        output: file or folder to export it to.

    Raises:
        PluginError: its manifest does not load, or it has no realtime.py.
        ServingError: BentoML is not installed, or cannot build it.
    """
    if find_spec("bentoml") is None:
        fix = "Run: pip install 'mixpeek-dagster[serve]'"
        raise ServingError("a Bento", why="BentoML is not installed", fix=fix)
    spec = load_plugin(folder).spec
    if not spec.has_realtime:
        fix = "Add one: a Bento is an endpoint"
        raise PluginError(f"plugin {spec.plugin_id!r}", why="it has no realtime.py", fix=fix)
    with tempfile.TemporaryDirectory(prefix="mixpeek-bento-") as work:
        _write_context(Path(work), spec)
        return _build(Path(work), spec, output)


def _write_context(context: Path, plugin: PluginSpec) -> None:
    for package in _PACKAGES:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ServingError(f"package {package!r}", why="it is not installed", fix="Install mixpeek-dagster again")
        shutil.copytree(spec.submodule_search_locations[0], context / package, ignore=_LEFT_OUT)
    for path in plugin_files(plugin.folder):
        target = context / "plugin" / plugin.name / path.relative_to(plugin.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (context / "bento_service.py").write_text(_SERVICE.format(folder=plugin.name), encoding="utf-8")
    (context / "bentofile.yaml").write_text(_bentofile(plugin), encoding="utf-8")


def _bentofile(plugin: PluginSpec) -> str:
    """How to build it. JSON is YAML, too."""
    packages = pinned_requirements(["mixpeek-dagster[serve,models]", *plugin.dependencies])
    wanted = {
        "service": "bento_service:PluginService",
        # BentoML's names are lower case.
        "name": plugin.plugin_id.lower(),
        "description": f"Realtime endpoint of the plugin {plugin.plugin_id}.",
        "labels": {
            "plugin": plugin.plugin_id,
            "code_hash": plugin.code_hash[:_LABEL_CHARACTERS],
            "mixpeek_dagster": __version__,
        },
        "python": {"packages": packages, "lock_packages": False},
        "docker": {"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
        "envs": [{"name": "BENTOML_DO_NOT_TRACK", "value": "True"}],
    }
    return json.dumps(wanted)


def _build(context: Path, plugin: PluginSpec, output: Path | None) -> Bento:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    target = str(output.expanduser().absolute()) if output else ""
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(context), target],
        cwd=context,
        env={**kept, "PYTHONPATH": str(context), "BENTOML_DO_NOT_TRACK": "True", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        why = f"BentoML: {' '.join(lines[-3:]) or 'it says nothing'}"
        raise ServingError(f"the Bento of {plugin.plugin_id!r}", why=why)
    made = json.loads(done.stdout.splitlines()[-1])
    return Bento(made["tag"], Path(made["path"]) if made["path"] else None)
