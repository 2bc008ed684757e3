"""A plugin whose manifest is a definition.py, as the guide writes it for built-in plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixpeek_dagster.errors import ManifestError, PluginError
from mixpeek_dagster.plugins.archive import pack, unpack
from mixpeek_dagster.plugins.checks.check import check_plugin, declared_identity
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.spec import Distance, Feature
from tests.plugins.test_guide import GUIDE, tokens

# The guide has lost its indentation; here it is again, and the test below compares the words.
DEFINITION = '''"""My extractor plugin definition."""
from enum import IntEnum
from typing import List, Literal
from pydantic import BaseModel, Field
from shared.billing.models import CostRate, CostUnit
from shared.collection.features.extractors.models import (
    CostsInfo,
    FeatureExtractorModel,
)
from shared.collection.features.vectors.models import (
    VectorIndex,
    VectorIndexDefinition,
    VectorType,
)
# =============================================================================
# COST CONFIGURATION
# =============================================================================
class MyExtractorCosts(IntEnum):
    PER_1K_TOKENS = 1
TIER = 1
TIER_LABEL = "SIMPLE"
RATES: List[CostRate] = [
    CostRate(
        unit=CostUnit.TOKENS_1K,
        credits_per_unit=MyExtractorCosts.PER_1K_TOKENS,
        description="Per 1K tokens processed",
    ),
]
# =============================================================================
# PARAMETER SCHEMA
# =============================================================================
class MyExtractorParams(BaseModel):
    extractor_type: Literal["my_extractor"] = "my_extractor"
    threshold: float = Field(default=0.5, ge=0, le=1)
    enable_feature_x: bool = Field(default=True)
# =============================================================================
# INPUT/OUTPUT SCHEMAS
# =============================================================================
class MyExtractorInput(BaseModel):
    text: str = Field(..., min_length=1)
class MyExtractorOutput(BaseModel):
    embedding: List[float] = Field(..., min_length=1024, max_length=1024)
# =============================================================================
# VECTOR INDEX CONFIGURATION
# =============================================================================
VECTOR_INDEXES = [
    VectorIndexDefinition(
        name="my_embedding",
        description="Dense embedding vector",
        type="single",
        index=VectorIndex(
            name="my_extractor_v1_embedding",
            description="Dense vector embedding",
            dimensions=1024,
            type=VectorType.DENSE,
            distance="Cosine",
            inference_service_id="intfloat/multilingual-e5-large-instruct",
        ),
    ),
]
# =============================================================================
# PLUGIN DEFINITION
# =============================================================================
definition = FeatureExtractorModel(
    feature_extractor_name="my_extractor",
    version="v1",
    description="My custom extractor for specialized processing",
    icon="wand-2",
    input_schema=MyExtractorInput,
    output_schema=MyExtractorOutput,
    parameter_schema=MyExtractorParams,
    required_vector_indexes=VECTOR_INDEXES,
    costs=CostsInfo(tier=TIER, tier_label=TIER_LABEL, rates=RATES),
)
metadata = {
    "name": "my_extractor",
    "version": "v1",
    "description": definition.description,
}
'''
PIPELINE = """
from engine.plugins.extractors.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps

from .definition import MyExtractorParams, metadata
from .processors.core import Embed


def build_steps(extractor_request, **kwargs):
    params = MyExtractorParams(**extractor_request.params)
    steps = [StepDefinition(service_class=Embed, config={"threshold": params.threshold})]
    pipeline = PipelineDefinition(name=metadata["name"], version=metadata["version"], steps=steps)
    return {"steps": build_pipeline_steps(pipeline)}
"""
CORE = """
class Embed:
    def __init__(self, config):
        self.threshold = config.threshold

    def __call__(self, batch):
        batch["my_extractor_v1_embedding"] = [[self.threshold] * 1024] * len(batch)
        return batch
"""


def write(folder: Path, definition: str = DEFINITION) -> Path:
    (folder / "processors").mkdir(parents=True)
    for name, text in (("definition", definition), ("pipeline", PIPELINE), ("processors/core", CORE)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def test_the_definition_is_the_guides_word_for_word() -> None:
    ours = tokens(DEFINITION)
    start = GUIDE.index('"""My extractor plugin definition."""')
    assert ours == tokens(GUIDE[start : start + 2 * len(DEFINITION)])[: len(ours)]


def test_a_definition_gives_the_spec_of_a_manifest(tmp_path: Path) -> None:
    spec = load_plugin(write(tmp_path / "my_extractor")).spec
    assert (spec.name, spec.version, spec.plugin_id) == ("my_extractor", "1.0.0", "my_extractor_1_0_0")
    assert spec.description == "My custom extractor for specialized processing"
    assert spec.features == (Feature("my_extractor_v1_embedding", 1024, Distance.COSINE),)
    assert spec.input_fields["text"].required
    assert set((spec.parameter_schema or {})["properties"]) == {"extractor_type", "threshold", "enable_feature_x"}


def test_it_is_checked_packed_and_named_as_any_other(tmp_path: Path) -> None:
    folder = write(tmp_path / "my_extractor")
    report = check_plugin(folder)
    assert report.errors == ()
    # The output schema names another column than the vector index does.
    assert [(p.code, Path(p.file).name) for p in report.problems] == [("feature_not_in_output", "definition.py")]
    assert report.steps == ("Embed",)
    pack(folder, tmp_path / "plugin.zip")
    assert declared_identity(tmp_path / "plugin.zip") == ("my_extractor", "v1")
    unpack(tmp_path / "plugin.zip", tmp_path / "again")
    assert load_plugin(tmp_path / "again").spec.code_hash == load_plugin(folder).spec.code_hash


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("VectorType.DENSE", "VectorType.SPARSE", "'my_extractor_v1_embedding' is not dense"),
        ('distance="Cosine"', 'distance="near"', "distance_metric is 'near'"),
        ("dimensions=1024", "dimensions=0", "embedding_dim is 0"),
        ("tier=TIER,", "tier=9,", "less than or equal to 4"),
    ],
)
def test_definitions_that_are_wrong_say_where(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    folder = write(tmp_path / "my_extractor", DEFINITION.replace(was, becomes).replace("definition.description", '""'))
    with pytest.raises(ManifestError, match=said) as error:
        load_plugin(folder)
    assert "definition.py" in error.value.where


def test_a_folder_with_neither_is_no_plugin(tmp_path: Path) -> None:
    folder = write(tmp_path / "my_extractor")
    (folder / "definition.py").unlink()
    with pytest.raises(PluginError, match=r"it has no manifest\.py"):
        load_plugin(folder)
