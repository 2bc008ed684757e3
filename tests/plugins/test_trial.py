"""A plugin's code is tried in a process of its own: it cannot hang, eat or disturb who checks it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from mixpeek_dagster.errors import PluginError
from mixpeek_dagster.plugins.checks.check import check_plugin
from mixpeek_dagster.plugins.checks.sandbox import SandboxLimits, try_plugin, try_steps
from tests.plugins.conftest import FEATURES, MakePlugin

PIPELINE_TEXT = """
from engine.plugins.extractors.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps
from .processors.core import Embed


def build_steps(extractor_request, **kwargs):
    size = extractor_request.params.get("size", 1)
    if size > 10:
        raise ValueError("size is too large")
    pipeline = PipelineDefinition(name="p", version="1.0.0", steps=[StepDefinition(service_class=Embed)] * size)
    return {"steps": build_pipeline_steps(pipeline)}
"""


LIMITS = SandboxLimits(seconds=4, memory_bytes=3 * 2**30)


@pytest.mark.parametrize(
    ("codes", "manifest"),
    [
        ({"trial_timeout"}, "import time\ntime.sleep(60)\n"),
        ({"trial_died", "trial_timeout"}, "while True:\n    pass\n"),
        ({"manifest_import"}, "x = bytearray(2**40)\n"),
        ({"manifest_import", "trial_died", "trial_timeout"}, "x = []\nwhile True:\n    x = [x, bytearray(2**24)]\n"),
        ({"trial_died"}, "raise KeyboardInterrupt\n"),
        ({"manifest_import"}, "raise SystemExit(0)\n"),
        ({"manifest_import"}, "def f():\n    return f()\n\n\nf()\n"),
    ],
)
def test_code_that_hangs_or_eats_is_ended(make: MakePlugin, codes: set[str], manifest: str) -> None:
    before = time.monotonic()
    (problem,) = check_plugin(make(manifest + FEATURES), sandbox=LIMITS).errors
    assert time.monotonic() - before < 40
    assert problem.code in codes


def test_a_trial_has_no_credentials_and_no_home(make: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MIXPEEK_S3_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "hidden")
    leak = "import os\nfound = sorted(k for k, v in os.environ.items() if v == 'hidden') + [os.environ['HOME']]\n"
    trial = try_plugin(make(leak + "description = ' '.join(found)\n" + FEATURES))
    assert trial.manifest is not None
    assert "KEY" not in trial.manifest["description"]
    assert trial.manifest["description"] != str(Path.home())
    assert "mixpeek-trial-" in trial.manifest["description"]


def test_what_a_plugin_prints_does_not_disturb(make: MakePlugin) -> None:
    noisy = "print('{\"manifest\": 1}' * 10000)\n"
    assert check_plugin(make(noisy + FEATURES, pipeline=noisy + PIPELINE_TEXT)).problems == ()


def test_steps_are_tried_with_a_collections_parameters(make: MakePlugin) -> None:
    folder = make(pipeline=PIPELINE_TEXT)
    assert len(try_steps(folder, {"size": 2})) == 2
    with pytest.raises(PluginError, match="size is too large") as error:
        try_steps(folder, {"size": 11})
    assert error.value.where == "pipeline.py:9"


def test_no_process_of_a_plugin_is_left(make: MakePlugin) -> None:
    forks = "import threading, time\nthreading.Thread(target=lambda: time.sleep(300)).start()\n"
    check_plugin(make(forks + FEATURES))
    ours = psutil.Process(os.getpid()).children(recursive=True)
    assert not [child for child in ours if "mixpeek_dagster.plugins.checks.trial" in " ".join(child.cmdline())]
