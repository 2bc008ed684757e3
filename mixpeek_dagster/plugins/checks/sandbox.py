"""Running a plugin's code without trusting it: another process, with limits and without our environment."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from mixpeek_dagster.errors import PluginError
from mixpeek_dagster.plugins.spec import Problem
from mixpeek_dagster.processes.child import ChildProcess

_PASSED_ON = (
    "PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "MIXPEEK_MODELS",
    "HF_HUB_OFFLINE",
)
_MAX_RESULT = 16 * 2**20
_LAST_LINES = 20


@dataclass(frozen=True)
class SandboxLimits:
    """What a trial may use.

    Args:
        seconds: of wall time, and as many of the processor's.
        memory_bytes: of private memory; libraries such as torch take over 1 GB of it without using it.
        file_bytes: size of one file that it may write, in its own folder.
    """

    seconds: int = 120
    memory_bytes: int = 8 * 2**30
    file_bytes: int = 64 * 2**20

    def to_resources(self) -> dict[str, int]:
        """The names that `resource.setrlimit` knows."""
        return {
            "RLIMIT_CPU": self.seconds,
            "RLIMIT_DATA": self.memory_bytes,
            "RLIMIT_FSIZE": self.file_bytes,
            "RLIMIT_CORE": 0,
        }


@dataclass(frozen=True)
class Trial:
    """What came of running a plugin's manifest and `build_steps`; `manifest` is None if it cannot be read."""

    manifest: Mapping[str, Any] | None = None
    steps: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = field(default_factory=tuple)


_LIMITS = SandboxLimits()


def try_plugin(folder: Path, parameters: Mapping[str, Any] | None = None, limits: SandboxLimits = _LIMITS) -> Trial:
    """Run a plugin's manifest, imports and `build_steps` in a process of their own.

    Never raises for what the plugin does: a crash, an endless loop or too much memory is a problem of the result.
    """
    with tempfile.TemporaryDirectory(prefix="mixpeek-trial-", ignore_cleanup_errors=True) as home:
        reading, writing = os.pipe()
        task = {
            "folder": str(folder),
            "parameters": dict(parameters or {}),
            "channel": writing,
            "limits": limits.to_resources(),
        }
        command = [sys.executable, "-m", "mixpeek_dagster.plugins.checks.trial", orjson.dumps(task).decode()]
        with (Path(home) / "stderr").open("w+b") as errors, os.fdopen(reading, "rb") as channel:
            # It is killed with what it has started, and when this process ends: the plugin may never do so itself.
            with ChildProcess.start(
                command, errors=errors, environment=_environment(home), folder=Path(home), pass_fds=[writing]
            ) as process:
                os.close(writing)
                try:
                    result = _result(process, channel, limits.seconds)
                except TimeoutError:
                    message = f"importing it and building the steps took over {limits.seconds} s"
                    return _failed(folder, "trial_timeout", message)
            if result is None:
                how = _end(process.status, errors)
                return _failed(folder, "trial_died", f"the process that tries the plugin {how}")
    problems = tuple(Problem(**problem) for problem in result["problems"])
    return Trial(result["manifest"], tuple(result["steps"]), problems)


def try_steps(folder: Path, parameters: Mapping[str, Any], limits: SandboxLimits = _LIMITS) -> tuple[str, ...]:
    """Names of the steps that a plugin builds for these parameters.

    Raises:
        PluginError: it builds none; says where and why.
    """
    trial = try_plugin(folder, parameters, limits)
    errors = [problem for problem in trial.problems if problem.severity == "error"]
    if errors:
        first = errors[0]
        where = f"{Path(first.file).name}:{first.line}"
        raise PluginError(f"plugin {folder.name!r}", why=first.message, fix=first.fix, where=where)
    return trial.steps


def _environment(home: str) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # The models that are here, but not the token that lies beside them.
    models = os.environ.get("HF_HOME", str(Path.home() / ".cache" / "huggingface"))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    place = {"HOME": home, "TMPDIR": home, "HF_HUB_CACHE": os.environ.get("HF_HUB_CACHE", f"{models}/hub")}
    return passed | threads | place | {"PYTHONDONTWRITEBYTECODE": "1"}


def _result(process: ChildProcess, channel: BinaryIO, seconds: int) -> Mapping[str, Any] | None:
    """What the process wrote; None if it ended without a word.

    Raises:
        TimeoutError: it did not end in time.
    """
    parts: list[bytes] = []
    # A thread, since the pipe holds less than a large manifest.
    reader = threading.Thread(target=lambda: parts.append(channel.read(_MAX_RESULT)), daemon=True)
    reader.start()
    if not process.wait(seconds):
        raise TimeoutError
    # What the plugin started may hold the pipe open.
    process.kill()
    reader.join(5)
    try:
        result = orjson.loads(b"".join(parts))
    except orjson.JSONDecodeError:
        return None
    return result if isinstance(result, dict) else None


def _end(status: int | None, errors: BinaryIO) -> str:
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        return f"was ended by {name}: it used more time or memory than it may, or crashed"
    errors.seek(0)
    lines = errors.read()[-_LAST_LINES * 400 :].decode(errors="replace").strip().splitlines()
    return f"ended with status {status}: {lines[-1] if lines else 'no output'}"


def _failed(folder: Path, code: str, message: str) -> Trial:
    fix = "Do less when modules are imported and steps are built: load models on the first batch"
    return Trial(problems=(Problem("error", code, message, fix, str(folder / "pipeline.py")),))
