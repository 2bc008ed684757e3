"""Code that cannot run, the guide's own among it: it is recognised as it stands, and what we name instead does run."""

from __future__ import annotations

import ast
import itertools
import textwrap
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import transformers

from mixpeek_dagster.plugins.checks.broken import broken_calls
from mixpeek_dagster.plugins.checks.check import check_plugin
from mixpeek_dagster.plugins.spec import Problem
from tests import guide
from tests.guide import needs_guide
from tests.plugins.conftest import FEATURES, MakePlugin

FROM_CONFIG = """
from transformers import AutoConfig, AutoModel, AutoTokenizer
from engine.models import load_hf_model


class Pooled:
    def load(self):
        data = load_hf_model(hf_model_id="acme/words", torch_dtype="float16")
        config = AutoConfig.from_dict(data["config"])
        self.model = AutoModel(config)
        self.model.load_state_dict(data["state_dict"])
        self.tokenizer = AutoTokenizer.from_pretrained(data["tokenizer_config"]["tokenizer_dir"])
"""
INTO_CELLS = """
class Judge:
    def __call__(self, batch):
        for index, row in batch.iterrows():
            verdict = self.ask(row["data"], schema={"type": "object", "properties": {"fit": {"type": "boolean"}}})
            batch.at[index, "verdict"] = verdict.data
        return batch
"""


def found(code: str) -> list[Problem]:
    return list(broken_calls({Path("core.py"): ast.parse(textwrap.dedent(code))}))


def test_a_model_built_from_a_config_is_recognised_with_the_calls_that_work() -> None:
    assert [(p.code, p.line, p.fix) for p in found(FROM_CONFIG)] == [
        ("AUTO001", 9, "Call AutoConfig.for_model(**config)"),
        ("AUTO002", 10, "Call AutoModel.from_config(config)"),
    ]


def test_cells_that_get_an_object_are_recognised() -> None:
    (problem,) = found(INTO_CELLS)
    assert (problem.code, problem.line) == ("CELL001", 6)
    assert 'batch["verdict"] = None' in problem.fix


@needs_guide
def test_the_guides_model_is_recognised_with_the_calls_that_work() -> None:
    code = guide.code("models/load_hf_model")
    lines = [
        next(n for n, line in enumerate(code.splitlines(), 1) if call in line) for call in (".from_dict(", "l(con")
    ]
    assert [(p.code, p.line, p.fix) for p in found(code)] == [
        ("AUTO001", lines[0], "Call AutoConfig.for_model(**config)"),
        ("AUTO002", lines[1], "Call AutoModel.from_config(config)"),
    ]


@needs_guide
def test_the_guides_cells_are_recognised() -> None:
    code = guide.code("llm/processors/compliance.py")
    (problem,) = found(code)
    assert problem.code == "CELL001"
    assert code.splitlines()[problem.line - 1].lstrip().startswith("batch.at[")
    assert 'batch["compliance_result"] = None' in problem.fix


@pytest.mark.parametrize(
    ("imports", "call", "fix"),
    [
        ("import transformers", "transformers.AutoModel(config)", "transformers.AutoModel.from_config(config)"),
        ("import transformers as tf", "tf.AutoModelForCausalLM(c)", "tf.AutoModelForCausalLM.from_config(config)"),
        ("import transformers", "transformers.AutoConfig.from_dict(c)", "transformers.AutoConfig.for_model(**config)"),
        ("from transformers import AutoModel as M", "M(config)", "M.from_config(config)"),
        ("from transformers import AutoConfig as C", "C.from_dict(config)", "C.for_model(**config)"),
        ("from transformers import AutoTokenizer as T", "T(config)", "T.from_pretrained(folder)"),
        ("from transformers.models.auto import AutoModel", "AutoModel(config)", "AutoModel.from_config(config)"),
    ],
)
def test_other_names_of_the_same_classes(imports: str, call: str, fix: str) -> None:
    (problem,) = found(f"{imports}\n\n\ndef build(config, c):\n    return {call}\n")
    assert problem.fix == f"Call {fix}"


@pytest.mark.parametrize(
    "code",
    [
        "from elsewhere import AutoModel\nAutoModel(config)",
        "import elsewhere\nelsewhere.AutoModel(config)",
        "from transformers import BertModel as AutoModel\nAutoModel(config)",
        "from transformers import BertConfig\nBertConfig.from_dict(config)",
        "import transformers\ntransformers.BertModel(config)",
        "from transformers import AutoModel\nAutoModel.from_config(config)",
        "from transformers import AutoModel\nself.model.AutoModel(config)",
        "class A:\n    torch_dtype = 'float16'\n    model_id = 'a/b'",
        "class A:\n    torch_dtype = None",
        "load_hf_model('a/b', torch_dtype='torch.bfloat16')",
        "AutoModel.from_pretrained('a/b', torch_dtype='auto')",
        "load_hf_model('a/b', torch_dtype=chosen)",
    ],
)
def test_calls_that_work_are_left_alone(code: str) -> None:
    assert found(code) == []


@pytest.mark.parametrize(
    "code",
    [
        "class A:\n    torch_dtype = 'fp16'",
        "class A:\n    torch_dtype: str = 'float61'",
        "load_hf_model('a/b', torch_dtype='fp16')",
        "engine.models.load_hf_model('a/b', torch_dtype='auto')",
        "@lazy_model(model_id='a/b', torch_dtype='torch.f16')\ndef f(self, batch):\n    return batch",
    ],
)
def test_a_dtype_that_torch_does_not_have(code: str) -> None:
    assert [problem.code for problem in found(code)] == ["TYPE001"]


def test_every_dtype_that_is_let_through_is_one_of_torch() -> None:
    import torch

    from mixpeek_dagster.plugins.checks.broken import _DTYPES

    assert all(isinstance(getattr(torch, name), torch.dtype) for name in _DTYPES)


@pytest.fixture(scope="module")
def cached() -> dict[str, Any]:
    """What `load_hf_model` gives, of a tiny model."""
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    return {"config": config.to_dict(), "state_dict": transformers.BertModel(config).state_dict()}


def test_those_calls_fail_and_the_ones_we_name_give_the_model(cached: dict[str, Any]) -> None:
    with pytest.raises(AttributeError):
        transformers.AutoConfig.from_dict(cached["config"])  # type: ignore[attr-defined]
    config = transformers.AutoConfig.for_model(**cached["config"])
    with pytest.raises(OSError, match="is designed to be instantiated"):
        transformers.AutoModel(config)
    model = transformers.AutoModel.from_config(config)
    model.load_state_dict(cached["state_dict"])
    assert all((model.state_dict()[name] == value).all() for name, value in cached["state_dict"].items())


# Of making a column so pandas says that it will be an error of another class.
@pytest.mark.filterwarnings("ignore:Setting a value on a DataFrame:pandas.errors.Pandas4Warning")
@pytest.mark.parametrize("value", [{"score": 1}, [1, 2]])
def test_such_a_cell_fails_and_the_ones_we_name_hold_the_value(value: Any) -> None:
    batch = pd.DataFrame({"data": ["a", "b"]})
    with pytest.raises(ValueError):  # noqa: PT011 - the message is pandas' own affair
        batch.at[0, "result"] = value
    made_first = pd.DataFrame({"data": ["a", "b"]})
    made_first["result"] = None
    for index in range(2):
        made_first.at[index, "result"] = value
    as_list = pd.DataFrame({"data": ["a", "b"]})
    as_list["result"] = list(itertools.repeat(value, 2))
    assert made_first["result"].tolist() == as_list["result"].tolist() == [value, value]


SIGLIP = """
class Embed:
    model_id = "google/siglip-base-patch16-224"

    def __call__(self, batch):
        batch["v"] = [[0.1] * 768] * len(batch)
        return batch
"""


def test_a_wrong_dimension_of_siglip_is_mended_once(make_plugin: MakePlugin) -> None:
    wrong = FEATURES.replace('"embedding_dim": 4', '"embedding_dim": 512')
    assert wrong != FEATURES
    report = check_plugin(make_plugin(wrong, processors__core=SIGLIP))
    (problem,) = [p for p in report.problems if p.code == "DIM001"]
    assert "gives 768 numbers, not 512" in problem.message
    assert (Path(problem.file).name, problem.severity) == ("manifest.py", "warning")
    right = FEATURES.replace('"embedding_dim": 4', '"embedding_dim": 768')
    assert check_plugin(make_plugin(right, processors__core=SIGLIP)).problems == ()
