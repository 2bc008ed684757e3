"""What a benchmark of models runs in: a home of its own, the models of packages, no hub, all cores."""

from __future__ import annotations

import os
from pathlib import Path

from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.models.packaged import install_packaged_models
from mixpeek_dagster.settings import Settings


def enter(home: Path) -> Settings:
    """Set this process and those that it starts on a home folder with models in it."""
    os.environ.update({"MIXPEEK_HOME": str(home), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"})
    os.environ["OMP_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))
    settings = Settings.load()
    use_cache(settings.models_path, settings.models_folder)
    install_packaged_models(settings.models_path)
    return settings
