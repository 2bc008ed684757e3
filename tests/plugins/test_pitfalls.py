"""The guide's own code that cannot run: it is recognised as it stands, and the form we name instead does run."""

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
from tests.plugins.conftest import FEATURES, MakePlugin
from tests.plugins.test_guide import GUIDE, tokens

# The guide has lost its indentation; here it is again, and the test below compares the words.
FROM_CONFIG = """
from engine.models import load_hf_model
from transformers import AutoConfig
class MyProcessor:
    def __init__(self, config):
        self.config = config
        self._model = None
    def _ensure_model_loaded(self):
        if self._model is None:
            # Load from cluster cache (zero-copy sharing)
            cached = load_hf_model(
                hf_model_id="intfloat/multilingual-e5-large-instruct",
                model_class="AutoModel",
                tokenizer_class="AutoTokenizer",
                torch_dtype="float16",
            )
            # Instantiate model from cached state_dict
            from transformers import AutoModel, AutoTokenizer
            config = AutoConfig.from_dict(cached["config"])
            self._model = AutoModel(config)
            self._model.load_state_dict(cached["state_dict"])
            self._tokenizer = AutoTokenizer.from_pretrained(
                cached["tokenizer_config"]["tokenizer_dir"]
            )
"""
INTO_CELLS = """
import asyncio
class BrandComplianceProcessor:
    def __init__(self, config, **kwargs):
        self._llm = config.get("llm_service")
        self.threshold = config.get("threshold", 0.8)
    def __call__(self, batch):
        loop = asyncio.new_event_loop()
        for idx, row in batch.iterrows():
            result = loop.run_until_complete(
                self._llm.generate(
                    instruction="Evaluate this image for brand compliance",
                    images=[row["image_url"]],
                    provider="google",
                    model="gemini-2.5-flash",
                    schema={
                        "type": "object",
                        "properties": {
                            "compliant": {"type": "boolean"},
                            "violations": {"type": "array", "items": {"type": "string"}},
                            "score": {"type": "number"}
                        }
                    }
                )
            )
            batch.at[idx, "compliance_result"] = result.data
        return batch
"""


def found(code: str) -> list[Problem]:
    return list(broken_calls({Path("core.py"): ast.parse(textwrap.dedent(code))}))


@pytest.mark.parametrize(
    ("code", "first"),
    [(FROM_CONFIG, "from engine.models import load_hf_model"), (INTO_CELLS, "import asyncio\nclass Brand")],
    ids=["from_config", "into_cells"],
)
def test_the_code_is_the_guides_word_for_word(code: str, first: str) -> None:
    ours = tokens(code)
    assert ours == tokens(GUIDE[GUIDE.index(first) :][: 2 * len(code)])[: len(ours)]


def test_the_guides_model_is_recognised_with_the_calls_that_work() -> None:
    assert [(p.code, p.line, p.fix) for p in found(FROM_CONFIG)] == [
        ("AUTO001", 19, "Call AutoConfig.for_model(**config)"),
        ("AUTO002", 20, "Call AutoModel.from_config(config)"),
    ]


def test_the_guides_cells_are_recognised() -> None:
    (problem,) = found(INTO_CELLS)
    assert (problem.code, problem.line) == ("CELL001", 26)
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


def test_the_guides_calls_fail_and_those_we_name_give_the_model(cached: dict[str, Any]) -> None:
    with pytest.raises(AttributeError):
        transformers.AutoConfig.from_dict(cached["config"])
    config = transformers.AutoConfig.for_model(**cached["config"])
    with pytest.raises(OSError, match="is designed to be instantiated"):
        transformers.AutoModel(config)
    model = transformers.AutoModel.from_config(config)
    model.load_state_dict(cached["state_dict"])
    assert all((model.state_dict()[name] == value).all() for name, value in cached["state_dict"].items())


@pytest.mark.parametrize("value", [{"score": 1}, [1, 2]])
def test_the_guides_cell_fails_and_those_we_name_hold_the_value(value: object) -> None:
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


def test_the_guides_dimension_of_siglip_is_mended_once(make_plugin: MakePlugin) -> None:
    wrong = FEATURES.replace('"embedding_dim": 4', '"embedding_dim": 512')
    assert wrong != FEATURES
    report = check_plugin(make_plugin(wrong, processors__core=SIGLIP))
    (problem,) = [p for p in report.problems if p.code == "DIM001"]
    assert "gives 768 numbers, not 512" in problem.message
    assert (Path(problem.file).name, problem.severity) == ("manifest.py", "warning")
    right = FEATURES.replace('"embedding_dim": 4', '"embedding_dim": 768')
    assert check_plugin(make_plugin(right, processors__core=SIGLIP)).problems == ()
