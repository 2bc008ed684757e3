"""What a service's process sees of its surroundings: never a key of ours, never another tenant's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from mixpeek_dagster.settings import Reader, Settings
from serving.variables import METRICS_FOLDER

# What any program needs of its surroundings. The rest stays here: plugins' code may not read keys that are not its own.
_PASSED_ON = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


def service_environment(settings: Settings, environment: Mapping[str, str], work: Path) -> dict[str, str]:
    """Variables for a service's process.

    Args:
        settings: where things are, and limits.
        environment: what the little that is passed on comes from.
        work: a folder of the service's own.
    """
    kept = {name: environment[name] for name in _PASSED_ON if name in environment}
    hub = {name: value for name, value in environment.items() if name.startswith("HF_") and "TOKEN" not in name}
    threads = {}
    if settings.inference_threads is not None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(settings.inference_threads))
    return {
        **kept,
        "HF_HUB_CACHE": str(settings.models_path),
        **hub,
        **settings.variables(Reader.SERVICE),
        **threads,
        "MIXPEEK_HOME": str(settings.home_path),
        "MIXPEEK_MODELS": str(settings.models_path),
        "BENTOML_HOME": str(work),
        "BENTOML_DO_NOT_TRACK": "True",
        # BentoML's metrics are those of several processes, and empty without this.
        METRICS_FOLDER: str(work / "metrics"),
        # It imports what this process would, wherever it is started.
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
        "PYTHONUNBUFFERED": "1",
    }
