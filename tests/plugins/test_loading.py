"""Plugins' code: private packages, build_steps in all its forms, errors with their place."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mixpeek_dagster.errors import PipelineError, PluginError, PluginLoadError
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.pipeline import AttributeDict, Step, StepDefinition, as_step
from mixpeek_dagster.plugins.request import Container, ExtractorRequest
from tests.plugins.conftest import CORE, FEATURES, PIPELINE, MakePlugin


def steps(folder: Path, **parameters: object) -> tuple[Step, ...]:
    return load_plugin(folder).build_steps(ExtractorRequest.of(parameters=parameters)).steps


def pipeline(body: str) -> str:
    return f"from .processors.core import Embed\n\n\ndef build_steps(extractor_request, **kwargs):\n    {body}\n"


def test_two_plugins_with_the_same_module_names_do_not_meet(make_plugin: MakePlugin) -> None:
    one = make_plugin(name="one", processors__core=CORE + "WHO = 'one'\n")
    two = make_plugin(name="two", processors__core=CORE + "WHO = 'two'\n")

    (first,), (second,) = steps(one), steps(two)

    assert first.target is not second.target
    assert first.target.__module__ != second.target.__module__


def test_two_versions_of_one_plugin_live_side_by_side(make_plugin: MakePlugin) -> None:
    folder = make_plugin()
    (before,) = steps(folder)
    make_plugin(processors__core=CORE.replace("return batch", "return batch.assign(new=1)"))

    (after,) = steps(folder)

    frame = pd.DataFrame({"data": ["x"]})
    assert "new" not in before.build()(frame)  # type: ignore[operator]
    assert "new" in after.build()(frame)  # type: ignore[operator]


def test_the_same_content_is_imported_once(make_plugin: MakePlugin) -> None:
    folder = make_plugin()
    assert load_plugin(folder) is load_plugin(folder)


def test_a_load_reads_each_file_once_to_hash_it(make_plugin: MakePlugin) -> None:
    folder = make_plugin()
    (folder / "table.bin").write_bytes(b"x" * 1000)
    command = [sys.executable, "-m", "tests.plugins.reads", str(folder)]

    first, again = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert first["table.bin"] == again["table.bin"] == 1
    # The manifest's text is read for its lines, and again by the import, after it was hashed.
    assert {name: times for name, times in first.items() if times > 1 and not name.endswith(".pyc")} == {
        "manifest.py": 3
    }


def test_an_import_that_fails_names_file_and_line(make_plugin: MakePlugin) -> None:
    folder = make_plugin(processors__core="import os\nimport no_such_package\n")
    with pytest.raises(PluginLoadError) as error:
        steps(folder)
    assert error.value.where.endswith("core.py:2")
    assert "pip install no_such_package" in error.value.fix


def test_an_absolute_import_of_own_modules_is_told_to_be_relative(make_plugin: MakePlugin) -> None:
    folder = make_plugin(pipeline=PIPELINE.replace("from .processors", "from plugin.processors"))
    with pytest.raises(PluginLoadError) as error:
        steps(folder)
    assert "relatively" in error.value.fix


@pytest.mark.parametrize(
    ("returned", "names"),
    [
        ('{"steps": [Embed()]}', ["Embed"]),
        ('{"steps": [Embed]}', ["Embed"]),
        ('{"steps": [lambda batch: batch]}', ["function"]),
        ('{"steps": [Embed(), Embed()]}', ["Embed", "Embed_2"]),
        ('type("Result", (), {"steps": [Embed()], "prepare": None})()', ["Embed"]),
    ],
)
def test_build_steps_may_return_many_things(make_plugin: MakePlugin, returned: str, names: list[str]) -> None:
    assert [step.name for step in steps(make_plugin(pipeline=pipeline(f"return {returned}")))] == names


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        ("None", "NoneType"),
        ('{"steps": []}', "no step"),
        ('{"steps": [type("P", (), {"process": lambda s, d: d})()]}', "has process() but no __call__"),
        ('{"steps": [Embed()], "prepare": 3}', "a function is needed"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_steps_that_are_none_are_refused(make_plugin: MakePlugin, returned: str, why: str) -> None:
    with pytest.raises(PipelineError, match=why.replace("(", r"\(").replace(")", r"\)")):
        steps(make_plugin(pipeline=pipeline(f"return {returned}")))


def test_disabled_steps_vanish() -> None:
    from mixpeek_dagster.plugins.pipeline import PipelineDefinition, build_pipeline_steps

    definition = PipelineDefinition("p", "1", [StepDefinition(len, enabled=False), StepDefinition(sorted)])
    assert [step.name for step in build_pipeline_steps(definition)] == ["sorted"]


def test_build_steps_gets_the_arguments_it_names(make_plugin: MakePlugin) -> None:
    body = (
        "from .processors.core import Embed\n\n\n"
        "def build_steps(extractor_request, dataset_size=None, content_flags=None):\n"
        "    assert dataset_size == 7\n    assert content_flags == {'image': True}\n"
        "    assert extractor_request.params == extractor_request.extractor_config.parameters == {'a': 1}\n"
        "    return {'steps': [Embed()]}\n"
    )
    plugin = load_plugin(make_plugin(pipeline=body))
    request = ExtractorRequest.of(parameters={"a": 1})
    assert plugin.build_steps(request, dataset_size=7, content_flags={"image": True}).steps


def test_parameters_are_held_against_their_schema(make_plugin: MakePlugin) -> None:
    plugin = load_plugin(make_plugin(FEATURES + 'parameter_schema = {"limit": {"type": "integer"}}\n'))
    plugin.validate_parameters({"limit": 3, "extractor_type": "plugin"})
    with pytest.raises(PluginError, match="limit"):
        plugin.validate_parameters({"limit": "three"})
    with pytest.raises(PluginError, match="unknown; known: limit"):
        plugin.validate_parameters({"limt": 3})


class Configured:
    """Reads its config by attribute and by key."""

    def __init__(self, config: AttributeDict, progress_actor: object = None) -> None:
        self.seen = (config.threshold, config["threshold"])

    def __call__(self, batch: pd.DataFrame) -> pd.DataFrame:
        return batch


def test_a_dict_config_also_reads_by_attribute() -> None:
    processor = as_step(StepDefinition(Configured, config={"threshold": 0.5})).build()
    assert isinstance(processor, Configured)
    assert processor.seen == (0.5, 0.5)


def test_a_missing_config_key_names_those_there_are() -> None:
    with pytest.raises(AttributeError, match="it has: threshold"):
        _ = AttributeDict(threshold=1).model_size


def test_an_unconfigured_service_can_be_handed_around_and_says_so_when_it_is_called() -> None:
    llm = Container().llm
    with pytest.raises(Exception, match="not configured"):
        asyncio.run(llm.generate(instruction="x"))
