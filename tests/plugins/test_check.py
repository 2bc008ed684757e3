"""Checking a plugin: every kind of problem, and its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixpeek_dagster.errors import PluginError
from mixpeek_dagster.plugins.archive import ArchiveLimits, pack
from mixpeek_dagster.plugins.checks.check import check_plugin, declared_identity
from mixpeek_dagster.plugins.checks.sarif import to_sarif
from tests.plugins.conftest import CORE, FEATURES, WRITES, MakePlugin
from tests.plugins.problems import codes, only, place

EXAMPLES = Path(__file__).parents[2] / "plugin_repo" / "examples"


def test_a_plugin_that_is_right(make: MakePlugin) -> None:
    report = check_plugin(make())
    assert report.problems == ()
    assert report.security_passed
    assert report.steps == ("Embed",)
    assert report.manifest is not None
    assert report.manifest["features"] == [{"name": "v", "dimension": 4, "distance": "Cosine"}]


def test_a_zip_is_checked_as_the_folder(make: MakePlugin, tmp_path: Path) -> None:
    folder = make(processors__core="import subprocess\n" + WRITES)
    pack(folder, tmp_path / "plugin.zip")
    (problem,) = check_plugin(tmp_path / "plugin.zip").errors
    assert (problem.file, problem.line, problem.column) == ("processors/core.py", 1, 8)
    assert problem.message == only(check_plugin(folder), "SEC101").message


def test_a_zip_that_is_none_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "plugin.zip").write_bytes(b"no zip")
    assert codes(check_plugin(tmp_path / "plugin.zip")) == ["archive_invalid"]


def test_a_folder_that_could_not_be_packed_is_said(make: MakePlugin) -> None:
    folder = make()
    (folder / "again").symlink_to(folder)
    (problem,) = check_plugin(folder).errors
    assert (problem.message, Path(problem.file).name) == ("it is a symbolic link", "again")
    (folder / "again").unlink()
    (problem,) = check_plugin(folder, limits=ArchiveLimits(files=2)).errors
    assert "3 files, 2 are allowed" in problem.message


def test_hostile_code_is_not_run(make: MakePlugin, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    report = check_plugin(make(f"import os\nos.system('touch {proof}')\n" + FEATURES))
    assert codes(report) == ["SEC101"]
    assert not report.security_passed
    assert report.manifest is None
    assert not proof.exists()


def test_wrong_feature_keys_have_their_line_and_the_right_keys() -> None:
    problems = check_plugin(EXAMPLES / "wrong_feature_keys").errors
    first = problems[0]
    assert (Path(first.file).name, first.line, first.column) == ("manifest.py", 15, 9)


def test_a_column_that_nothing_writes_is_said(make: MakePlugin) -> None:
    problem = only(check_plugin(make(processors__core=CORE)), "COL001")
    assert problem.severity == "warning"
    assert "'v'" in problem.message
    assert place(problem) == ("manifest.py", 3)


@pytest.mark.parametrize(
    ("manifest", "code", "said"),
    [
        ('dependencies = ["no-such-package"]\n', "dependency_missing", "no-such-package is not installed"),
        ('dependencies = ["numpy>=99"]\n', "dependency_version", "numpy>=99"),
        ('dependencies = ["numpy>>1"]\n', "dependency_invalid", "numpy>>1"),
        ('feature_uri = "mixpeek://plugin@1.0.0/v"\n', "feature_uri_without_realtime", "realtime"),
        ('parameter_schema = {"api_key": {"type": "string"}}\n', "secret_parameter", "api_key"),
        ('parameter_schema = {"limit": {"type": "nonsense"}}\n', "parameter_schema_invalid", "nonsense"),
    ],
)
def test_manifest_problems(make: MakePlugin, manifest: str, code: str, said: str) -> None:
    problem = only(check_plugin(make(manifest + FEATURES)), code)
    assert said in problem.message
    assert place(problem) == ("manifest.py", 3)
    assert problem.fix


def test_dependencies_that_are_met_are_not_mentioned(make: MakePlugin) -> None:
    wanted = 'dependencies = ["pillow>=1", "opencv-python; python_version < \'3\'", "pandas", "torch>=2"]\n'
    assert check_plugin(make(wanted + FEATURES)).problems == ()


@pytest.mark.parametrize(
    ("source", "code", "fix"),
    [
        ("import no_such_package\n", "import_unknown", "pip install no_such_package"),
        ("from processors.other import x\n", "import_own_absolute", "from ..processors.other import"),
        ("from .missing import x\n", "import_own_missing", "Add it"),
        ("from ...outside import x\n", "import_outside", "'..'"),
    ],
)
def test_imports_in_functions_are_looked_at(make: MakePlugin, source: str, code: str, fix: str) -> None:
    body = "".join(f"    {line}\n" for line in source.splitlines())
    report = check_plugin(make(processors__core=WRITES + f"\n\ndef later():\n{body}"))
    problem = only(report, code)
    assert fix in problem.fix
    assert problem.line == WRITES.count("\n") + 4


def test_imports_that_may_fail_are_not_mentioned(make: MakePlugin) -> None:
    lazy = "try:\n    import no_such_package\nexcept ImportError:\n    no_such_package = None\n"
    assert check_plugin(make(processors__core=lazy + WRITES)).problems == ()


def test_an_import_that_fails_is_said_once(make: MakePlugin) -> None:
    report = check_plugin(make(processors__core="import no_such_package\n" + WRITES))
    problem = only(report, "plugin_load_failed")
    assert codes(report) == ["plugin_load_failed"]
    assert place(problem) == ("core.py", 1)


@pytest.mark.parametrize(
    ("realtime", "said"),
    [
        ("x = 1\n", "no InferenceService"),
        ("class InferenceService:\n    pass\n", "neither __call__ nor run_inference"),
        (
            (
                "from shared.plugins.inference.serve import BaseInferenceService\n\n\n"
                "class InferenceService(BaseInferenceService):\n    pass\n"
            ),
            "neither __call__ nor run_inference",
        ),
        ("get_inference_service = 3\n", "it is a int"),
        ("import no_such_package\n", "No module named"),
    ],
)
def test_a_realtime_service_that_cannot_answer(make: MakePlugin, realtime: str, said: str) -> None:
    (problem,) = check_plugin(make(realtime=realtime)).errors
    assert said in problem.message
    assert Path(problem.file).name == "realtime.py"


def test_a_realtime_service_is_not_made_when_it_is_checked(make: MakePlugin) -> None:
    realtime = (
        "class InferenceService:\n    def __init__(self):\n        raise OSError('a model that is not here')\n\n"
        "    def run_inference(self, inputs, parameters):\n        return {}\n"
    )
    assert check_plugin(make(realtime=realtime)).problems == ()


def body(text: str) -> str:
    lines = "".join(f"        {line}\n" for line in text.splitlines())
    return f"\nclass Embed:\n    def __call__(self, batch):\n{lines}        return batch\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SEQ001", 'v = []\nfor _, row in batch.iterrows():\n    v.append(self._model.encode([row["data"]]))'),
        ("SEQ001", 'batch["v"] = [self.model.predict(text) for text in batch["data"]]'),
        ("SEQ001", 'texts = batch["data"].tolist()\nv = [self.encoder.encode(text) for text in texts]'),
        ("SEQ001", 'for row in batch.to_dict("records"):\n    v = self._llm.generate(row)'),
        ("SEQ001", 'for i in range(len(batch)):\n    v = model(batch["data"].iloc[i])'),
        ("SEQ002", 'tokens = [self._tokenizer(text) for text in batch["data"]]'),
        ("SEQ002", 'for text in batch["data"]:\n    t = self.tokenizer.encode(text)'),
        ("SEQ003", 'batch["v"] = batch["data"].apply(self._model.encode)'),
        ("SEQ003", 'batch["v"] = batch["data"].map(lambda text: self.model.embed(text))'),
        ("IDX001", 'batch = batch.dropna()\nbatch["v"] = pd.Series([1] * len(batch))'),
        ("IDX001", 'batch = batch[batch["x"] > 1]\nfor i, t in enumerate(batch["x"]):\n    batch.at[i, "v"] = t'),
        ("AUTO001", "from transformers import AutoConfig\nconfig = AutoConfig.from_dict(self.cached)"),
        ("AUTO002", "from transformers import AutoModel, AutoConfig\nself._model = AutoModel(self.config)"),
        ("AUTO002", "from transformers import AutoTokenizer\nself._tokens = AutoTokenizer(self.config)"),
        ("CELL001", 'for i, row in batch.iterrows():\n    batch.at[i, "result"] = {"score": 1}'),
        ("CELL001", 'for i, row in batch.iterrows():\n    batch.at[i, "compliance_result"] = result.data'),
        ("ZERO001", "try:\n    x = 1\nexcept ValueError:\n    v = [0.0] * 4"),
        ("ZERO001", "try:\n    x = 1\nexcept ValueError:\n    v = np.zeros(4)"),
    ],
)
def test_pitfalls_of_batches(make: MakePlugin, code: str, text: str) -> None:
    report = check_plugin(make(processors__core=body(text + '\nbatch["v"] = None')))
    problem = only(report, code)
    assert problem.severity == "warning"
    assert problem.fix
    assert Path(problem.file).name == "core.py"


@pytest.mark.parametrize(
    "text",
    [
        'texts = batch["data"].fillna("").tolist()\nbatch["v"] = self._model.encode(texts).tolist()',
        'texts = batch["data"].tolist()\nfor i in range(0, len(texts), 32):\n    self._model.encode(texts[i : i + 32])',
        'batch["length"] = [len(text) for text in batch["data"]]',
        'hashes = [hashlib.sha256(text.encode()).hexdigest() for text in batch["data"]]',
        'images = [self._open(url) for url in batch["data"]]',
        'batch = batch.dropna().reset_index(drop=True)\nbatch["v"] = pd.Series([1] * len(batch))',
        'batch = batch.explode("chunk", ignore_index=True)\nbatch["v"] = pd.Series([1] * len(batch))',
        "mask = np.zeros(4)",
        'batch["result"] = None\nfor i, row in batch.iterrows():\n    batch.at[i, "result"] = {"score": 1}',
        'for i, row in batch.iterrows():\n    batch.at[i, "score"] = result.score',
        "from transformers import AutoConfig, AutoModel\nm = AutoModel.from_config(AutoConfig.for_model(**self.c))",
        'for epoch in range(3):\n    self._model.encode(batch["data"].tolist())',
        'tokens = self._tokenizer(batch["data"].tolist(), padding=True)',
    ],
)
def test_good_batches_are_left_alone(make: MakePlugin, text: str) -> None:
    assert check_plugin(make(processors__core=body(text + '\nbatch["v"] = None'))).problems == ()


def test_the_declared_name_and_version_are_read_without_running(make: MakePlugin, tmp_path: Path) -> None:
    head = 'import no_such_package\nfeature_extractor_name = "plugin"\nversion = "2.0.0"\n'
    folder = make(head + FEATURES)
    pack(folder, tmp_path / "plugin.zip")
    assert declared_identity(folder) == declared_identity(tmp_path / "plugin.zip") == ("plugin", "2.0.0")
    with pytest.raises(PluginError, match="plain texts"):
        declared_identity(make('feature_extractor_name = "a" + str(1)\nversion = "1"\n'))


def test_sarif_has_a_rule_and_a_place_for_each_problem(make: MakePlugin) -> None:
    report = check_plugin(make(processors__core="import subprocess\n" + CORE))
    log = to_sarif(report)
    (run,) = log["runs"]
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "SEC101"
    assert result["level"] == "error"
    region = result["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1, "startColumn": 8}
