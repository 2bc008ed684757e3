"""Which rows a collection wants, and what its plugin's input fields hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.plugins.spec import InputField
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.filters import compile_filter, describe_filter
from mixpeek_dagster.rows.select import Selection, map_inputs
from tests.rows.conftest import apply_source_filters, mark_reused

Source = Callable[..., pd.DataFrame]

_ROW: dict[str, Any] = {
    "mime_type": "text/plain",
    "size_bytes": 10,
    "nothing": None,
    "properties": {"title": "Deep Sea Talk", "tags": ["sea", "talk"], "meta": {"year": 2024}, "size_bytes": 99},
}


@pytest.mark.parametrize(
    ("operator", "field", "yes", "no"),
    [
        ("eq", "size_bytes", 10, 11),
        ("ne", "size_bytes", 11, 10),
        ("gt", "size_bytes", 9, 10),
        ("gte", "size_bytes", 10, 11),
        ("lt", "size_bytes", 11, 10),
        ("lte", "size_bytes", 10, 9),
        ("in", "mime_type", ["text/plain", "x"], ["x"]),
        ("nin", "mime_type", ["x"], ["text/plain"]),
        ("contains", "title", "Sea", "sea"),
        ("contains", "tags", "sea", "lake"),
        ("starts_with", "title", "Deep", "Sea"),
        ("ends_with", "title", "Talk", "Deep"),
        ("regex", "title", r"^D.*k$", r"^S"),
        ("exists", "title", True, False),
        ("exists", "nobody", False, True),
        ("is_null", "nothing", True, False),
        ("is_null", "title", False, True),
        ("text", "title", "talk deep", "talk lake"),
    ],
)
def test_every_operator_tells_rows_apart(operator: str, field: str, yes: Any, no: Any) -> None:
    assert compile_filter({"field": field, "operator": operator, "value": yes})(_ROW)
    assert not compile_filter({"field": field, "operator": operator, "value": no})(_ROW)


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte", "contains", "starts_with", "ends_with", "regex"])
@pytest.mark.parametrize("field", ["nothing", "nobody"])
def test_a_value_that_is_missing_matches_no_comparison(operator: str, field: str) -> None:
    assert not compile_filter({"field": field, "operator": operator, "value": "a"})(_ROW)


@pytest.mark.parametrize("operator", ["gt", "lte", "in", "contains", "starts_with", "ends_with", "text"])
def test_values_of_types_that_do_not_compare_do_not_match(operator: str) -> None:
    assert not compile_filter({"field": "title", "operator": operator, "value": 5})(_ROW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "Deep Sea Talk"),
        ("properties.title", "Deep Sea Talk"),
        ("meta.year", 2024),
        ("properties.meta.year", 2024),
        ("size_bytes", 10),
        ("properties.size_bytes", 99),
        ("title.year", None),
    ],
)
def test_fields_are_columns_or_properties_with_dots(field: str, value: Any) -> None:
    assert compile_filter({"field": field, "value": value})(_ROW)
    assert compile_filter({field: value})(_ROW)


_TRUE: dict[str, Any] = {"size_bytes": 10}
_FALSE: dict[str, Any] = {"field": "size_bytes", "operator": "gt", "value": 10}


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, True),
        ({"AND": [_TRUE, _TRUE]}, True),
        ({"AND": [_TRUE, _FALSE]}, False),
        ({"AND": []}, True),
        ({"OR": [_FALSE, _TRUE]}, True),
        ({"OR": [_FALSE, _FALSE]}, False),
        ({"NOT": [_FALSE]}, True),
        ({"NOT": [_FALSE, _TRUE]}, False),
        ({"AND": [_TRUE], "NOT": [_TRUE]}, False),
        ({"OR": [{"AND": [_TRUE, {"NOT": [_FALSE]}]}, _FALSE]}, True),
        ({"size_bytes": 10, "mime_type": "text/plain"}, True),
        ({"size_bytes": 10, "mime_type": "image/png"}, False),
        ({"AND": [_TRUE], "case_sensitive": True}, True),
    ],
)
def test_groups_combine_conditions(filters: dict[str, Any], wanted: bool) -> None:
    assert compile_filter(filters)(_ROW) is wanted


_FILTERS = st.recursive(
    st.sampled_from([_TRUE, _FALSE]),
    lambda inner: st.dictionaries(st.sampled_from(["AND", "OR", "NOT"]), st.lists(inner, max_size=3), max_size=3),
)


@given(_FILTERS)
def test_not_turns_any_filter_around_and_any_filter_has_words(filters: dict[str, Any]) -> None:
    assert compile_filter({"NOT": [filters]})(_ROW) is not compile_filter(filters)(_ROW)
    assert isinstance(describe_filter(filters), str)


def test_an_unknown_operator_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"'like'.*Known: eq, ne"):
        compile_filter({"AND": [{"field": "a", "operator": "like", "value": 1}]})


@pytest.mark.parametrize("group", ["AND", "OR", "NOT"])
@pytest.mark.parametrize("value", [{"a": 1}, ["a"], None])
def test_a_group_that_is_no_list_of_conditions_is_refused(group: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=group):
        compile_filter({group: value})


def test_a_broken_regex_is_refused_when_the_filter_is_made() -> None:
    with pytest.raises(InvalidRequest):
        compile_filter({"field": "title", "operator": "regex", "value": "("})


def test_filters_are_described_in_words() -> None:
    filters = {"OR": [{"field": "a", "operator": "gt", "value": 1}, {"b": "x"}]}
    assert describe_filter(filters) == "(a gt 1) OR (b = 'x')"


def test_rows_that_a_filter_leaves_out_are_filtered_with_the_filter_named(source: Source) -> None:
    frame = apply_source_filters(source(3, properties=[{"lang": "de"}, {"lang": "en"}, {}]), {"lang": "de"}, [])
    assert frame[columns.STATE].tolist() == ["live", "filtered", "filtered"]
    assert frame[columns.STAGE].tolist() == [None, "source_filter", "source_filter"]
    assert frame[columns.MESSAGE][1].endswith("lang = 'de'")


def test_rows_that_stopped_before_are_not_filtered(source: Source) -> None:
    frame = apply_source_filters(source(2, error=["gone", None]), {"data": "x"}, ["image"])
    assert frame[columns.STATE].tolist() == ["failed", "filtered"]


@pytest.mark.parametrize(
    ("types", "live"),
    [
        ([], ["text", "image", "pdf", "binary"]),
        (["image"], ["image"]),
        (["text", "image"], ["text", "image"]),
        (["document"], ["text", "pdf"]),
    ],
)
def test_types_that_the_plugin_does_not_support_are_filtered(source: Source, types: list[str], live: list[str]) -> None:
    frame = apply_source_filters(source(4, blob_type=["text", "image", "pdf", "binary"]), {}, types)
    assert frame.loc[frame[columns.STATE] == "live", "blob_type"].tolist() == live
    for message in frame.loc[frame[columns.STATE] == "filtered", columns.MESSAGE]:
        assert f"supports {', '.join(types)}" in message


def _field(name: str, kind: str = "string", *, required: bool = True) -> dict[str, InputField]:
    return {name: InputField(name, required, kind)}


@pytest.mark.parametrize(
    ("mapped", "value"), [("caption", "a cat"), ("data", "text 0"), ("properties.meta.lang", "de")]
)
def test_a_mapping_wins_over_all_else(source: Source, mapped: str, value: str) -> None:
    properties = [{"caption": "a cat", "title": "own", "meta": {"lang": "de"}}]
    frame = map_inputs(source(1, properties=properties), _field("title"), {"title": mapped})
    assert frame["title"].tolist() == [value]


def test_a_property_of_that_name_wins_over_the_data(source: Source) -> None:
    frame = map_inputs(source(2, properties=[{"title": "own"}, {}]), _field("title"), {})
    assert frame["title"].tolist() == ["own", "text 1"]


@pytest.mark.parametrize(
    ("kind", "blob", "name", "filled"),
    [
        ("text", "content", "title", True),
        ("image", "content", "image", True),
        ("image", "photo", "photo", True),
        ("video", "content", "video_url", True),
        ("image", "content", "title", False),
        ("binary", "content", "content", False),
    ],
)
def test_data_fills_the_field_that_it_is_meant_for(
    source: Source, kind: str, blob: str, name: str, filled: bool
) -> None:
    frame = map_inputs(source(1, blob_type=kind, blob_property=blob), _field(name), {})
    assert frame[name].tolist() == (["text 0"] if filled else [None])
    assert frame[columns.STATE].tolist() == (["live"] if filled else ["failed"])


def test_text_does_not_fill_a_field_of_another_type(source: Source) -> None:
    frame = map_inputs(source(1), _field("count", "integer", required=False), {})
    assert frame["count"].tolist() == [None]
    assert frame[columns.STATE].tolist() == ["live"]


def test_a_missing_required_field_is_answered_with_what_there_is(source: Source) -> None:
    frame = map_inputs(source(2, properties=[{"title": "a"}, {"x": "b"}]), _field("title"), {"title": "title"})
    assert frame[columns.STATE].tolist() == ["live", "failed"]
    assert frame[columns.STAGE][1] == "input_mapping"
    assert frame[columns.MESSAGE][1] == "required input field 'title' (mapped to 'title') is missing on key1"
    assert frame[columns.SUGGESTION][1].startswith("Map it to one of: data, document_id")
    assert frame[columns.SUGGESTION][1].endswith("size_bytes, x")


def test_fields_that_are_one_of_the_ten_columns_add_nothing(source: Source) -> None:
    frame = source(2)
    assert map_inputs(frame, _field("data"), {}) is frame


def test_stopped_rows_get_no_input_and_no_second_reason(source: Source) -> None:
    frame = map_inputs(source(2, error=["gone", None]), _field("title"), {})
    assert frame["title"].tolist() == [None, "text 1"]
    assert frame[columns.STAGE].tolist() == ["blobs", None]


def test_unchanged_sources_are_reused_with_the_number_of_their_documents(source: Source) -> None:
    frame = mark_reused(source(4, error=[None, None, None, "gone"]), {"blob_1": 7, "blob_3": 1, "blob_9": 2})
    assert frame[columns.STATE].tolist() == ["live", "reused", "live", "failed"]
    assert frame[columns.SIBLINGS][1] == 7
    assert frame[columns.SIBLINGS][0] == 0


def test_nothing_is_reused_where_nothing_is_known(source: Source) -> None:
    frame = source(2)
    assert mark_reused(frame, {}) is frame


def test_each_row_keeps_the_first_reason_and_all_are_written_at_once(source: Source) -> None:
    frame = source(5, data=[None, "a", "b", "c", "d"], properties=[{}, {"lang": "de"}, {"lang": "en"}, {}, {}])
    selection = Selection(frame)
    selection.leave_out_absent()
    selection.filter({"NOT": [{"lang": "de"}]}, [])
    selection.map_inputs(_field("lang"), {"lang": "properties.lang"})
    assert selection.live_rows()["data"].tolist() == ["b"]
    selection.mark_reused({"blob_1": 1, "blob_2": 3})

    found = selection.result()

    assert found[columns.CODE].tolist() == [
        "absent",
        "filter",
        "unchanged",
        "input_field_missing",
        "input_field_missing",
    ]
    assert frame[columns.STATE].tolist() == ["live"] * 5
