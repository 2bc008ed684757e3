"""A plugin's code, imported under a private package name so that no two plugins or versions ever meet."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from mixpeek_dagster.errors import MixpeekError, PipelineError, PluginError, PluginLoadError
from mixpeek_dagster.extras import install_command
from mixpeek_dagster.plugins.dependencies import has_module
from mixpeek_dagster.plugins.folder import code_hash, manifest_path, require_plugin_folder
from mixpeek_dagster.plugins.manifest import read_manifest
from mixpeek_dagster.plugins.parameters import parameter_problems
from mixpeek_dagster.plugins.pipeline import Step, as_step, name_apart
from mixpeek_dagster.plugins.problems import Problems, raise_errors
from mixpeek_dagster.plugins.request import Container, ExtractorRequest
from mixpeek_dagster.plugins.source_map import SourceMap
from mixpeek_dagster.plugins.spec import PluginSpec, Problem

_ROOT = "_mixpeek_plugins"
_lock = threading.RLock()
_loaded: dict[tuple[Path, str], Plugin] = {}


@dataclass(frozen=True)
class BuiltPipeline:
    """What `build_steps` gave."""

    steps: tuple[Step, ...]
    prepare: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Plugin:
    """An imported plugin."""

    spec: PluginSpec
    package: str

    def validate_parameters(self, parameters: Mapping[str, Any]) -> None:
        """Hold a collection's parameters against the manifest's parameter_schema.

        Raises:
            PluginError: names each field that is wrong.
        """
        wrong = parameter_problems(self.spec.parameter_schema, parameters)
        if wrong:
            raise PluginError(f"parameters of plugin {self.spec.plugin_id!r}", why="; ".join(wrong))

    def build_steps(
        self,
        request: ExtractorRequest,
        container: Any = None,
        *,
        dataset_size: int | None = None,
        content_flags: Mapping[str, Any] | None = None,
    ) -> BuiltPipeline:
        """Call the plugin's `build_steps` with the arguments that it names.

        Raises:
            PluginLoadError: pipeline.py does not import.
            PipelineError: build_steps is missing, raises, or gives no usable steps.
        """
        module = import_plugin_module(self.package, "pipeline", self.spec.folder)
        function = getattr(module, "build_steps", None) or getattr(module, "extract", None)
        if function is None:
            raise PipelineError(
                "build_steps", why="pipeline.py does not define it", where=str(self.spec.folder / "pipeline.py")
            )
        arguments: dict[str, Any] = {
            "extractor_request": request,
            "container": container if container is not None else Container(),
            "base_steps": [],
            "dataset_size": dataset_size,
            "content_flags": dict(content_flags or {}),
        }
        try:
            result = function(**_named(function, arguments))
        except MixpeekError:
            raise
        except Exception as error:
            raise PipelineError(
                "build_steps", why=describe(error), where=place_in(error, self.spec.folder), fix="Mend pipeline.py"
            ) from error
        return _built(result, self.spec)

    def realtime_module(self) -> ModuleType:
        """The plugin's realtime.py, imported.

        Raises:
            PluginLoadError: it does not import or is not there.
        """
        return import_plugin_module(self.package, "realtime", self.spec.folder)


def load_plugin(folder: Path) -> Plugin:
    """Read and import a plugin; the same content is imported once per process.

    Raises:
        PluginError: it is no plugin folder, or pipeline.py or manifest.py is missing.
        ManifestError: the manifest is wrong; every problem is named.
        PluginLoadError: the manifest does not import.
    """
    folder = require_plugin_folder(folder)
    digest = code_hash(folder)
    with _lock:
        if (folder, digest) not in _loaded:
            spec, problems, package = inspect_plugin(folder)
            raise_errors(problems, folder.name)
            if spec is None:
                raise PluginError(f"plugin {folder.name!r}", why="its manifest cannot be read")
            _loaded[folder, digest] = Plugin(replace(spec, warnings=tuple(problems)), package)
        return _loaded[folder, digest]


def inspect_plugin(folder: Path) -> tuple[PluginSpec | None, list[Problem], str]:
    """The plugin's spec, if it has one, everything that is wrong with its manifest, and its package's name."""
    package = _package(folder)
    path = manifest_path(folder)
    try:
        at = SourceMap.of(path)
    except SyntaxError as error:
        problem = Problem(
            "error", "manifest_syntax", f"not Python: {error.msg}", "", str(path), error.lineno or 1, error.offset or 1
        )
        return None, [problem], package
    except ValueError as error:
        return None, [Problem("error", "manifest_syntax", f"not Python: {error}", "", str(path))], package
    problems = Problems(path, at)
    try:
        module = import_plugin_module(package, path.stem, folder)
    except PluginLoadError as error:
        _, _, line = error.where.rpartition(":")
        problems.error("manifest_import", error.why, error.fix, (int(line) if line.isdigit() else 1, 1))
        return None, problems.found, package
    return read_manifest(module, folder, problems), problems.found, package


def import_plugin_module(package: str, name: str, folder: Path) -> ModuleType:
    """Import a module of a plugin.

    Raises:
        PluginLoadError: it does not import; nothing half-imported stays behind.
    """
    with _lock:
        before = set(sys.modules)
        try:
            return importlib.import_module(f"{package}.{name}")
        except (Exception, SystemExit) as error:
            for module in set(sys.modules) - before:
                if module.startswith(f"{package}."):
                    del sys.modules[module]
            fix = _import_fix(error, folder)
            why = _not_here(error, folder) or describe(error)
            raise PluginLoadError(
                f"{name}.py of plugin {folder.name!r}", why=why, where=place_in(error, folder), fix=fix
            ) from error


def describe(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def place_in(error: BaseException, folder: Path) -> str:
    """`file:line` of the deepest frame of an exception inside a folder; empty if it has none there."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(folder):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    return f"{inside[-1].filename}:{inside[-1].lineno}" if inside else ""


def _package(folder: Path) -> str:
    """Register the plugin's private package: plugins have no __init__.py, and their folders' names collide."""
    place = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    name = f"{_ROOT}.p_{code_hash(folder)[:16]}_{place}"
    with _lock:
        for module_name, path in ((_ROOT, []), (name, [str(folder)])):
            if module_name not in sys.modules:
                module = ModuleType(module_name)
                module.__path__ = path
                sys.modules[module_name] = module
    return name


def _not_here(error: BaseException, folder: Path) -> str:
    """That a library is not installed, if that is why a module does not import."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    top = error.name.partition(".")[0]
    return "" if _is_own(top, folder) or has_module(top) else f"{describe(error)}: {top} is not installed here"


def _is_own(top: str, folder: Path) -> bool:
    return top == folder.name or (folder / top).exists() or (folder / f"{top}.py").exists()


def _import_fix(error: BaseException, folder: Path) -> str:
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    top, _, rest = error.name.partition(".")
    if _is_own(top, folder):
        return f"Import your own modules relatively: from .{rest if top == folder.name else error.name} import ..."
    return install_command(top) or f"pip install {top}"


def _named(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}


def _built(result: Any, spec: PluginSpec) -> BuiltPipeline:
    where = str(spec.folder / "pipeline.py")
    if isinstance(result, Mapping):
        steps, prepare = result.get("steps"), result.get("prepare")
    else:
        steps, prepare = getattr(result, "steps", None), getattr(result, "prepare", None)
    if not isinstance(steps, list | tuple):
        got = f"it returned a {type(result).__name__}"
        raise PipelineError("build_steps", why=got, fix='Return {"steps": [...]}', where=where)
    built = name_apart(as_step(step) for step in steps if getattr(step, "enabled", True))
    if not built:
        why = "it returned no step, or only disabled ones, for these parameters"
        raise PipelineError("build_steps", why=why, fix="Enable at least one step", where=where)
    if prepare is not None and not callable(prepare):
        raise PipelineError("prepare", why=f"it is a {type(prepare).__name__}, a function is needed", where=where)
    return BuiltPipeline(tuple(built), prepare)
