"""A plugin whose manifest is a definition.py, as built-in ones have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixpeek_dagster.errors import ManifestError, PluginError
from mixpeek_dagster.plugins.archive import pack, unpack
from mixpeek_dagster.plugins.checks.check import check_plugin, declared_identity
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.spec import Distance, Feature
from tests import guide
from tests.guide import needs_guide

DEFINITION = '''"""Sentences as vectors."""
from pydantic import BaseModel, Field

from shared.billing.models import CostRate, CostUnit
from shared.collection.features.extractors.models import CostsInfo, FeatureExtractorModel
from shared.collection.features.vectors.models import VectorIndex, VectorIndexDefinition, VectorType


class Sentence(BaseModel):
    text: str = Field(..., min_length=1)


class Vector(BaseModel):
    embedding: list[float]


class Choices(BaseModel):
    extractor_type: str = "sentences"
    threshold: float = 0.5
    upper_case: bool = True


INDEX = VectorIndex(
    name="sentences_v1_vector",
    description="Dense, of the whole sentence",
    dimensions=1024,
    type=VectorType.DENSE,
    distance="Cosine",
    inference_service_id="intfloat/multilingual-e5-large-instruct",
)
PRICES = CostsInfo(
    tier=1, tier_label="SIMPLE", rates=[CostRate(unit=CostUnit.TOKENS_1K, credits_per_unit=1, description="Tokens")]
)
definition = FeatureExtractorModel(
    feature_extractor_name="sentences",
    version="v1",
    description="Embeds sentences",
    icon="quote",
    input_schema=Sentence,
    output_schema=Vector,
    parameter_schema=Choices,
    required_vector_indexes=[
        VectorIndexDefinition(name="vector", description="Of the sentence", type="single", index=INDEX)
    ],
    costs=PRICES,
)
metadata = {"name": "sentences", "version": "v1", "description": definition.description}
'''
PIPELINE = """
from engine.plugins.extractors.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps

from .definition import metadata
from .processors.core import Embed


def build_steps(extractor_request, **kwargs):
    steps = [StepDefinition(service_class=Embed, config={"threshold": extractor_request.params.get("threshold", 0.5)})]
    pipeline = PipelineDefinition(name=metadata["name"], version=metadata["version"], steps=steps)
    return {"steps": build_pipeline_steps(pipeline)}
"""
CORE = """
COLUMN = "sentences_v1_vector"


class Embed:
    def __init__(self, config):
        self.threshold = config.threshold

    def __call__(self, batch):
        batch[COLUMN] = [[self.threshold] * 1024] * len(batch)
        return batch
"""


def write(folder: Path, definition: str = DEFINITION) -> Path:
    (folder / "processors").mkdir(parents=True)
    for name, text in (("definition", definition), ("pipeline", PIPELINE), ("processors/core", CORE)):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def test_a_definition_gives_the_spec_of_a_manifest(tmp_path: Path) -> None:
    spec = load_plugin(write(tmp_path / "sentences")).spec
    assert (spec.name, spec.version, spec.plugin_id) == ("sentences", "1.0.0", "sentences_1_0_0")
    assert spec.description == "Embeds sentences"
    assert spec.features == (Feature("sentences_v1_vector", 1024, Distance.COSINE),)
    assert spec.input_fields["text"].required
    assert set((spec.parameter_schema or {})["properties"]) == {"extractor_type", "threshold", "upper_case"}


@needs_guide
def test_the_guides_definition_gives_the_spec_of_a_manifest(tmp_path: Path) -> None:
    folder = write(tmp_path / "my_extractor", guide.code("definition.py"))
    spec = load_plugin(folder).spec
    assert (spec.name, spec.version, spec.plugin_id) == ("my_extractor", "1.0.0", "my_extractor_1_0_0")
    assert spec.description == "My custom extractor for specialized processing"
    assert spec.features == (Feature("my_extractor_v1_embedding", 1024, Distance.COSINE),)
    assert spec.input_fields["text"].required
    assert set((spec.parameter_schema or {})["properties"]) == {"extractor_type", "threshold", "enable_feature_x"}
    report = check_plugin(folder)
    assert report.errors == ()
    assert [(p.code, Path(p.file).name) for p in report.problems if p.code != "COL001"] == [
        ("feature_not_in_output", "definition.py")
    ]
    assert report.steps == ("Embed",)
    pack(folder, tmp_path / "plugin.zip")
    assert declared_identity(tmp_path / "plugin.zip") == ("my_extractor", "v1")


def test_it_is_checked_packed_and_named_as_any_other(tmp_path: Path) -> None:
    folder = write(tmp_path / "sentences")
    report = check_plugin(folder)
    assert report.errors == ()
    # The output schema names another column than the vector index does.
    assert [(p.code, Path(p.file).name) for p in report.problems] == [("feature_not_in_output", "definition.py")]
    assert report.steps == ("Embed",)
    pack(folder, tmp_path / "plugin.zip")
    assert declared_identity(tmp_path / "plugin.zip") == ("sentences", "v1")
    unpack(tmp_path / "plugin.zip", tmp_path / "again")
    assert load_plugin(tmp_path / "again").spec.code_hash == load_plugin(folder).spec.code_hash


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("VectorType.DENSE", "VectorType.SPARSE", "'sentences_v1_vector' is not dense"),
        ('distance="Cosine"', 'distance="near"', "distance_metric is 'near'"),
        ("dimensions=1024", "dimensions=0", "embedding_dim is 0"),
        ("tier=1,", "tier=9,", "less than or equal to 4"),
    ],
)
def test_definitions_that_are_wrong_say_where(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    folder = write(tmp_path / "sentences", DEFINITION.replace(was, becomes).replace("definition.description", '""'))
    with pytest.raises(ManifestError, match=said) as error:
        load_plugin(folder)
    assert "definition.py" in error.value.where


def test_a_folder_with_neither_is_no_plugin(tmp_path: Path) -> None:
    folder = write(tmp_path / "sentences")
    (folder / "definition.py").unlink()
    with pytest.raises(PluginError, match=r"it has no manifest\.py"):
        load_plugin(folder)
