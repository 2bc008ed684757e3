"""Before an endpoint gets requests: does it embed as the batch path does?"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mixpeek_dagster.catalog.plugins import PluginRecord
from mixpeek_dagster.deployer.hosting.environment import service_environment
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.operations.endpoint_client import infer
from mixpeek_dagster.processes.child import ChildProcess
from mixpeek_dagster.settings import Settings
from serving.http.reply import MANY, PRIMARY

SAME = 0.999
"""Least cosine of two vectors that are the same but for the order of sums."""
_SKIP = "If the two are meant to differ, deploy with --skip-probe"
_MEND = "Mend it, or deploy with --skip-probe"


def compare(plugin: PluginRecord, folder: Path, url: str, settings: Settings) -> str:
    """Embed the same sample both ways. This is the endpoint's first request, too, so its model is loaded after it.

    Args:
        folder: the plugin's code.
        url: of the endpoint.

    Returns:
        What was compared, for people.

    Raises:
        ServingError: one of the paths fails, or they differ.
    """
    made = _batch_path(plugin, folder, settings)
    if made["inputs"] is None:
        return "not compared with the batch path: there is no sample of a type that it takes"
    vectors: Mapping[str, list[float]] = made["vectors"]
    if not vectors:
        return "not compared with the batch path: the plugin makes no vectors"
    cosines = [
        _cosine(name, vector, _realtime(url, made["inputs"], name, settings)) for name, vector in vectors.items()
    ]
    return f"same vectors as the batch path (cosine {min(cosines):.6f})"


def _batch_path(plugin: PluginRecord, folder: Path, settings: Settings) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="mixpeek-probe-") as name:
        work, result, log = Path(name), Path(name) / "result.json", Path(name) / "log"
        command = [sys.executable, "-m", "mixpeek_dagster.deployer.batch_path", str(folder), str(result)]
        command += ["--parameters", json.dumps(plugin.params)]
        environment = service_environment(settings, os.environ, work)
        with ChildProcess.start(command, output=log, environment=environment) as process:
            if not process.wait(settings.inference_start_seconds):
                why = f"it made nothing of a sample within {settings.inference_start_seconds:g} s"
                raise ServingError("the batch path", why=why, fix=_MEND)
        if not result.exists():
            raise ServingError("the batch path", why=f"it stopped: {process.last_words(1)}", fix=_MEND)
        made: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    if "problem" in made:
        raise ServingError("the batch path", why=made["problem"], fix=_MEND)
    return made


def _realtime(url: str, inputs: Mapping[str, Any], feature: str, settings: Settings) -> list[float]:
    reply = infer(url, {**inputs, "vector_index": feature}, timeout=settings.inference_start_seconds)
    for key in (feature, PRIMARY):
        if key in reply:
            vector: list[float] = reply[key]
            return vector
    if many := reply.get(MANY):
        first: list[float] = many[0]
        return first
    there = ", ".join(reply) or "nothing"
    why = f"its reply to a sample has neither {feature!r} nor {PRIMARY!r}, it has {there}"
    raise ServingError("realtime.py", why=why, fix=f"Return the vector under one of these names. {_SKIP}")


def _cosine(feature: str, batch: list[float], realtime: list[float]) -> float:
    one, other = np.asarray(batch, dtype=np.float64), np.asarray(realtime, dtype=np.float64).ravel()
    if one.shape != other.shape:
        why = f"{feature!r} has {one.size} numbers in the batch path and {other.size} in realtime.py"
        raise ServingError("batch and realtime", why=why)
    cosine = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    if not cosine > SAME:
        why = f"{feature!r} of the same sample differs: cosine {cosine:.4f}, more than {SAME} is needed"
        fix = f"Use the same model, prefix and pooling in pipeline.py and realtime.py. {_SKIP}"
        raise ServingError("batch and realtime", why=why, fix=fix)
    return cosine
