"""Manifests: strict about features, all problems at once, each with its line and its mend."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpeek_dagster.errors import ManifestError
from mixpeek_dagster.plugins.features import read_features
from mixpeek_dagster.plugins.loading import inspect_plugin, load_plugin
from mixpeek_dagster.plugins.manifest import normal_version
from mixpeek_dagster.plugins.problems import Problems
from mixpeek_dagster.plugins.source_map import SourceMap
from mixpeek_dagster.plugins.spec import Distance
from tests.plugins.conftest import FEATURES, MakePlugin

GOOD = {"feature_type": "embedding", "feature_name": "v", "embedding_dim": 4, "distance_metric": "cosine"}


def codes(folder: Path) -> list[str]:
    return [problem.code for problem in inspect_plugin(folder)[1] if problem.severity == "error"]


def with_features(*features: dict[str, object]) -> str:
    return f"features = {list(features)!r}\n"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("type", "feature_type"),
        ("name", "feature_name"),
        ("dimensions", "embedding_dim"),
        ("distance", "distance_metric"),
        ("embeding_dim", "embedding_dim"),
    ],
)
def test_a_wrong_key_is_refused_with_the_right_one(make_plugin: MakePlugin, wrong: str, right: str) -> None:
    feature: dict[str, object] = {(wrong if key == right else key): value for key, value in GOOD.items()}
    folder = make_plugin(with_features(feature))

    (problem,) = [p for p in inspect_plugin(folder)[1] if p.severity == "error"]

    assert problem.code == "feature_unknown_key"
    assert repr(wrong) in problem.message
    assert repr(right) in problem.fix
    line = Path(problem.file).read_text(encoding="utf-8").splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith(repr(wrong))


@pytest.mark.parametrize("missing", ["feature_name", "embedding_dim", "distance_metric", "feature_type"])
def test_a_missing_key_is_named(make_plugin: MakePlugin, missing: str) -> None:
    folder = make_plugin(with_features({key: value for key, value in GOOD.items() if key != missing}))
    (problem,) = [p for p in inspect_plugin(folder)[1] if p.severity == "error"]
    assert problem.code == "feature_missing_key"
    assert repr(missing) in problem.message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("embedding_dim", True),
        ("embedding_dim", "384"),
        ("embedding_dim", 0),
        ("embedding_dim", 65537),
        ("embedding_dim", 1.5),
        ("feature_name", ""),
        ("feature_name", 7),
        ("distance_metric", "near"),
        ("distance_metric", None),
        ("feature_type", "vector"),
    ],
)
def test_a_wrong_value_is_refused(make_plugin: MakePlugin, key: str, value: object) -> None:
    assert codes(make_plugin(with_features({**GOOD, key: value}))) == [f"feature_{key}_invalid"]


@pytest.mark.parametrize(
    ("written", "distance"),
    [
        ("cosine", Distance.COSINE),
        ("Cosine", Distance.COSINE),
        ("euclid", Distance.EUCLID),
        ("EUCLIDEAN", Distance.EUCLID),
        ("dot", Distance.DOT),
        ("Manhattan", Distance.MANHATTAN),
    ],
)
def test_distances_in_any_case(make_plugin: MakePlugin, written: str, distance: Distance) -> None:
    spec = load_plugin(make_plugin(with_features({**GOOD, "distance_metric": written}))).spec
    assert spec.features[0].distance is distance


def test_two_features_of_one_name_are_refused(make_plugin: MakePlugin) -> None:
    assert codes(make_plugin(with_features(GOOD, GOOD))) == ["feature_duplicate"]


def test_all_problems_are_reported_at_once(make_plugin: MakePlugin) -> None:
    manifest = 'feature_extractor_name = "x"\nversion = "one"\n' + with_features({**GOOD, "embedding_dim": 0}, {"a": 1})
    folder = make_plugin(manifest)
    with pytest.raises(ManifestError) as error:
        load_plugin(folder)
    for word in ("feature_extractor_name", "version", "embedding_dim is 0", "'a'", "manifest.py:3"):
        assert word in str(error.value)


def test_no_features_is_legal_and_says_what_it_means(make_plugin: MakePlugin) -> None:
    plugin = load_plugin(make_plugin("description = 'no vectors'\n"))
    assert plugin.spec.features == ()
    assert [problem.code for problem in plugin.spec.warnings] == ["no_features"]


@pytest.mark.parametrize(
    ("written", "normal"),
    [("v1", "1.0.0"), ("1.0", "1.0.0"), ("1.0.0", "1.0.0"), ("v2.1", "2.1.0"), ("01.2.3", "1.2.3")],
)
def test_versions_are_normalised(written: str, normal: str) -> None:
    assert normal_version(written) == normal


@given(st.one_of(st.none(), st.integers(), st.text()).filter(lambda v: not str(v).strip().lstrip("v ")[:1].isdigit()))
def test_other_versions_are_refused(version: object) -> None:
    assert normal_version(version) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_features_of_any_shape_are_judged_and_never_crash(value: object) -> None:
    problems = Problems(Path("manifest.py"), SourceMap(ast.parse("features = []")))
    assert isinstance(read_features(value, problems), tuple)
    assert problems.found or not value


def test_a_manifest_that_does_not_parse_names_the_line(make_plugin: MakePlugin) -> None:
    (problem,) = inspect_plugin(make_plugin("features = [\n"))[1]
    assert problem.code == "manifest_syntax"
    assert problem.line >= 3


def test_a_manifest_that_raises_names_the_line(make_plugin: MakePlugin) -> None:
    (problem,) = inspect_plugin(make_plugin("x = 1\ny = x / 0\n"))[1]
    assert problem.code == "manifest_import"
    assert "ZeroDivisionError" in problem.message
    assert problem.line == 4


def test_both_ways_of_writing_give_the_same_spec(make_plugin: MakePlugin) -> None:
    flat = load_plugin(make_plugin('feature_extractor_name = "same"\nversion = "1.0"\n' + FEATURES, name="flat")).spec
    nested = 'metadata = {"feature_extractor_name": "same", "version": "1.0.0"}\n' + FEATURES
    other = load_plugin(make_plugin(nested, name="nested")).spec
    assert (flat.plugin_id, flat.features) == (other.plugin_id, other.features)


def test_a_feature_uri_without_realtime_is_doubted(make_plugin: MakePlugin) -> None:
    spec = load_plugin(make_plugin(FEATURES + 'feature_uri = "mixpeek://plugin@1.0.0/v"\n')).spec
    assert "feature_uri_without_realtime" in [problem.code for problem in spec.warnings]
