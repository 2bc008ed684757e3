"""From a plugin's folder to the loaded plugin: read, hashed once, its manifest imported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mixpeek_dagster.errors import PluginError, PluginLoadError
from mixpeek_dagster.plugins.folder import code_hash, manifest_path, require_plugin_folder
from mixpeek_dagster.plugins.manifest import read_manifest
from mixpeek_dagster.plugins.package import IMPORTING, import_plugin_module, register_package
from mixpeek_dagster.plugins.plugin import LoadedPlugin
from mixpeek_dagster.plugins.problems import Problems, raise_errors
from mixpeek_dagster.plugins.source_map import SourceMap
from mixpeek_dagster.plugins.spec import Problem

_loaded: dict[tuple[Path, str], LoadedPlugin] = {}


def load_plugin(folder: Path, digest: str | None = None) -> LoadedPlugin:
    """Read and import a plugin; the same content is imported once per process.

    Args:
        digest: the folder's `code_hash`, where it was just taken; None = it is taken here.

    Raises:
        PluginError: it is no plugin folder, or pipeline.py or manifest.py is missing.
        ManifestError: the manifest is wrong; every problem is named.
        PluginLoadError: the manifest does not import.
    """
    folder = require_plugin_folder(folder)
    digest = digest or code_hash(folder)
    with IMPORTING:
        if (folder, digest) not in _loaded:
            plugin, problems = _inspect(folder, digest)
            raise_errors(problems, folder.name)
            if plugin is None:
                raise PluginError(f"plugin {folder.name!r}", why="its manifest cannot be read")
            _loaded[folder, digest] = replace(plugin, spec=replace(plugin.spec, warnings=tuple(problems)))
        return _loaded[folder, digest]


def inspect_plugin(folder: Path) -> tuple[LoadedPlugin | None, list[Problem]]:
    """The plugin, if its manifest can be used, and everything that is wrong or doubtful in it."""
    return _inspect(folder, code_hash(folder))


def _inspect(folder: Path, digest: str) -> tuple[LoadedPlugin | None, list[Problem]]:
    path = manifest_path(folder)
    try:
        at = SourceMap.of(path)
    except SyntaxError as error:
        place = error.lineno or 1, error.offset or 1
        return None, [Problem("error", "manifest_syntax", f"not Python: {error.msg}", "", str(path), *place)]
    except ValueError as error:
        return None, [Problem("error", "manifest_syntax", f"not Python: {error}", "", str(path))]
    problems = Problems(path, at)
    package = register_package(folder, digest)
    try:
        module = import_plugin_module(package, path.stem, folder)
    except PluginLoadError as error:
        _, _, line = error.where.rpartition(":")
        problems.error("manifest_import", error.why, error.fix, (int(line) if line.isdigit() else 1, 1))
        return None, problems.found
    spec = read_manifest(module, folder, digest, problems)
    return (LoadedPlugin(spec, package) if spec else None), problems.found
