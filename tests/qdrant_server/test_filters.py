"""Filters select on our server what they select in qdrant-client's local mode."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from qdrant_client import models as m

A = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"


def where(*must: Any, **clauses: Any) -> m.Filter:
    return m.Filter(must=list(must) or None, **clauses)


def field(key: str, **test: Any) -> m.FieldCondition:
    return m.FieldCondition(key=key, **test)


FILTERS: dict[str, m.Filter] = {
    "match value": where(field("color", match=m.MatchValue(value="red"))),
    "match integer": where(field("size", match=m.MatchValue(value=2))),
    "match boolean": where(field("ok", match=m.MatchValue(value=False))),
    "match in array": where(field("tags", match=m.MatchValue(value="b"))),
    "match any": where(field("color", match=m.MatchAny(any=["red", "blue", "none"]))),
    "match any of integers": where(field("size", match=m.MatchAny(any=[1, 4, 9]))),
    "match any of many": where(field("color", match=m.MatchAny(any=[f"c{i}" for i in range(500)] + ["green"]))),
    "match except": where(field("color", match=m.MatchExcept(**{"except": ["red"]}))),
    "range": where(field("size", range=m.Range(gt=1, lte=3))),
    "datetime range": where(field("at", range=m.DatetimeRange(gte=datetime(2024, 2, 1, tzinfo=UTC)))),
    "two fields": where(field("color", match=m.MatchValue(value="red")), field("size", range=m.Range(gte=2))),
    "nested key": where(field("deep.x", match=m.MatchValue(value="y"))),
    "array key": where(field("parts[].n", match=m.MatchValue(value=2))),
    "nested object": where(
        m.NestedCondition(
            nested=m.Nested(
                key="parts",
                filter=where(field("n", match=m.MatchValue(value=1)), field("w", match=m.MatchValue(value=5))),
            )
        )
    ),
    "nested object, no single match": where(
        m.NestedCondition(
            nested=m.Nested(
                key="parts",
                filter=where(field("n", match=m.MatchValue(value=1)), field("w", match=m.MatchValue(value=6))),
            )
        )
    ),
    "has id": where(m.HasIdCondition(has_id=[1, A, 77])),
    "has vector": where(m.HasVectorCondition(has_vector="wide")),
    "is empty": where(m.IsEmptyCondition(is_empty=m.PayloadField(key="tags"))),
    "is null": where(m.IsNullCondition(is_null=m.PayloadField(key="nil"))),
    "values count": where(field("tags", values_count=m.ValuesCount(gte=2))),
    "should": m.Filter(should=[field("size", match=m.MatchValue(value=1)), field("size", match=m.MatchValue(value=4))]),
    "must not": m.Filter(must_not=[field("color", match=m.MatchValue(value="red"))]),
    "must not, one condition": m.Filter(must_not=field("color", match=m.MatchValue(value="red"))),
    "min should": m.Filter(
        min_should=m.MinShould(
            conditions=[
                field("color", match=m.MatchValue(value="red")),
                field("size", match=m.MatchValue(value=3)),
                field("ok", match=m.MatchValue(value=True)),
            ],
            min_count=2,
        )
    ),
    "filter in filter": where(m.Filter(should=[field("size", match=m.MatchValue(value=1))])),
    "nothing matches": where(field("color", match=m.MatchValue(value="pink"))),
    "empty filter": m.Filter(),
}


@pytest.mark.parametrize("case", FILTERS)
def test_filters_select_the_same_points(filled: Any, case: str) -> None:
    ours, local, name = filled
    expected = sorted(str(record.id) for record in local.scroll(name, FILTERS[case], limit=100)[0])
    assert sorted(str(record.id) for record in ours.scroll(name, FILTERS[case], limit=100)[0]) == expected
    assert ours.count(name, FILTERS[case], exact=True).count == len(expected)
