"""What plugin authors are promised: import names that work, examples that pass; and the guide's own plugins do, too."""

from __future__ import annotations

import importlib
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import pytest

from mixpeek_dagster.plugins.checks.check import check_plugin
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.package import import_plugin_module
from tests import guide
from tests.guide import needs_guide

EXAMPLES = Path(__file__).parents[2] / "plugin_repo" / "examples"
PROMISED = {
    "engine.plugins.extractors.pipeline": [
        "PipelineDefinition",
        "ResourceType",
        "RowCondition",
        "StepDefinition",
        "build_pipeline_steps",
    ],
    "shared.billing.models": ["CostRate", "CostUnit"],
    "shared.collection.features.extractors.models": ["CostsInfo", "FeatureExtractorModel"],
    "shared.collection.features.vectors.models": ["VectorIndex", "VectorIndexDefinition", "VectorType"],
    "shared.inference.intfloat.multilingual_e5_large_instruct.models": ["InferenceConfigs"],
    "shared.inference.registry": ["get_batch_service"],
    "shared.plugins": ["download_asset", "open_asset"],
    "shared.plugins.inference.batch": ["BaseBatchInferenceService"],
    "shared.plugins.inference.serve": ["BaseInferenceService"],
    "shared.utilities.files": ["resolve_url_to_local_path"],
    "engine.models": ["LazyModelMixin", "lazy_model", "load_hf_model", "load_namespace_model"],
    "shared.models.loader": ["load_namespace_model"],
    "api.namespaces.plugins.security.scanner": ["PluginSecurityScanner"],
}
NAMES = [(module, name) for module, names in PROMISED.items() for name in names]


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_promised_import_works(module: str, name: str) -> None:
    value = getattr(importlib.import_module(module), name)
    assert value.__module__.startswith("mixpeek_dagster.")


@needs_guide
def test_all_that_the_guide_imports_is_promised() -> None:
    text = "\n".join(guide.lines())
    found = set()
    for module, names in re.findall(r"\bfrom ((?:engine|shared|api)\.[\w.]+) import (\([^)]*\)|\w+(?:, *\w+)*)", text):
        found |= {(module, name.strip()) for name in names.strip("() \n").split(",") if name.strip()}
    assert found == set(NAMES)


@pytest.mark.parametrize(
    ("name", "passes", "codes"),
    [
        ("my_extractor", True, set()),
        ("image_classifier", True, set()),
        ("text_chunker", True, set()),
        ("speech_search", True, set()),
        ("vlm_analyzer", True, set()),
        ("wrong_column", True, {"COL001"}),
        ("wrong_feature_keys", False, {"feature_unknown_key"}),
    ],
)
def test_the_examples_pass_or_fail_as_their_names_say(name: str, passes: bool, codes: set[str]) -> None:
    report = check_plugin(EXAMPLES / name)
    assert report.passed is passes
    assert {problem.code for problem in report.problems} == codes


def test_an_examples_steps_are_built_from_its_parameters() -> None:
    plugin = load_plugin(EXAMPLES / "my_extractor")
    module = import_plugin_module(plugin.package, "pipeline", plugin.spec.folder)
    request = MagicMock()
    request.extractor_config.parameters = {"threshold": 0.8}
    (step,) = module.build_steps(request, container=MagicMock())["steps"]
    assert step.build().threshold == pytest.approx(0.8)
    request.extractor_config.parameters = {"threshold": 2}
    with pytest.raises(ValueError, match="threshold"):
        module.build_steps(request)


@pytest.mark.parametrize(
    ("text", "tone"),
    [
        ("A good, reliable tool.", "positive"),
        ("Slow, and then it failed", "negative"),
        ("good and bad", "neutral"),
        ("great, fast, and wrong", "neutral"),
        ("", "neutral"),
    ],
)
def test_the_tone_of_a_text_is_its_words_balance(text: str, tone: str) -> None:
    plugin = load_plugin(EXAMPLES / "my_extractor")
    module = import_plugin_module(plugin.package, "processors.tone", plugin.spec.folder)
    assert module.tone_of(text, 0.5) == tone


@pytest.mark.parametrize(("name", "column"), [("wrong_column", "embedding"), ("wrong_feature_keys", "my_embedding")])
def test_a_plugin_that_counts_words_counts_them(name: str, column: str) -> None:
    counter = runpy.run_path(str(EXAMPLES / name / "processors" / "core.py"))["WordCounter"]
    batch = counter()(pd.DataFrame({"text": ["a b a", None]}))
    assert [sum(vector) for vector in batch[column]] == [3.0, 0.0]
    assert {len(vector) for vector in batch[column]} == {384}


@needs_guide
@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("my_extractor", {"feature_not_in_output"}),
        ("vlm_analyzer", {"SEQ001", "ZERO001"}),
        ("image_classifier", {"feature_uri_without_realtime", "SEQ001", "ZERO001"}),
    ],
)
def test_the_guides_plugins_pass_and_are_told_what_could_be_better(name: str, codes: set[str], tmp_path: Path) -> None:
    report = check_plugin(guide.write_plugin(name, tmp_path / name))
    assert report.passed
    # torchvision, which the guide's classifier wants, may be there or not.
    assert {problem.code for problem in report.problems} - {"dependency_missing", "import_unknown"} == codes


@pytest.fixture
def my_plugin(tmp_path: Path) -> Iterator[Path]:
    """The guide's plugin as the package that its tests import."""
    folder = guide.write_plugin("my_extractor", tmp_path / "my_plugin")
    sys.path.insert(0, str(tmp_path))
    yield folder
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_plugin"]:
        del sys.modules[name]


@needs_guide
def test_the_guides_test_of_build_steps_runs(my_plugin: Path) -> None:
    guide.run("tests/test_pipeline.py")["test_build_steps_returns_steps"]()


@needs_guide
def test_the_guides_scan_of_a_folder_runs(
    my_plugin: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(my_plugin.parent)
    guide.run("tests/test_security.py")
    assert capsys.readouterr().out == "Security scan passed!\n"


@needs_guide
def test_the_guides_test_with_a_model_in_its_place_runs() -> None:
    analyzer = guide.run("vlm_analyzer/processors/analyzer.py")["VLMAnalyzerProcessor"]
    guide.run("tests/test_with_llm.py", VLMAnalyzerProcessor=analyzer, pd=pd)["test_vlm_processor"]()


@needs_guide
def test_the_guides_assets_are_opened(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (4, 3)).save(tmp_path / "picture.jpg")
    batch = pd.DataFrame({"data": [str(tmp_path / "picture.jpg")]})
    assert guide.run("assets/open_asset", pd=pd)["MyProcessor"]()(batch) is batch
    read: list[int] = []
    guide.run("assets/download_asset", row=batch.iloc[0], process=lambda path: read.append(Path(path).stat().st_size))
    assert read == [(tmp_path / "picture.jpg").stat().st_size]


@needs_guide
def test_the_guides_texts_are_read_from_data() -> None:
    processor = guide.run("assets/texts", pd=pd)["MyTextProcessor"]()
    processor._model = MagicMock(encode=lambda texts: np.array([[len(text)] for text in texts]))
    assert processor(pd.DataFrame({"data": ["four", None]}))["embedding"].tolist() == [[4], [0]]


def test_credentials_are_out_of_reach_of_a_plugin_under_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXPEEK_S3_SECRET_ACCESS_KEY", "hush")
    folder = tmp_path / "curious"
    folder.mkdir()
    (folder / "manifest.py").write_text('feature_extractor_name = "curious"\nversion = "1.0"\n')
    (folder / "pipeline.py").write_text(
        "import os\n\n\ndef build_steps(extractor_request, **kwargs):\n    raise ValueError(sorted(os.environ))\n"
    )
    (problem,) = check_plugin(folder).errors
    assert "PATH" in problem.message
    assert "MIXPEEK_S3_SECRET_ACCESS_KEY" not in problem.message
