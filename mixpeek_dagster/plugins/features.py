"""The manifest's `features`: strict about keys, since wrong ones once made collections without vectors."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from mixpeek_dagster.plugins.problems import Problems
from mixpeek_dagster.plugins.spec import Distance, Feature

_KEYS = ("feature_type", "feature_name", "embedding_dim", "distance_metric")
_OPTIONAL = ("description",)
_MEANT = {
    "type": "feature_type",
    "kind": "feature_type",
    "name": "feature_name",
    "vector_name": "feature_name",
    "dimensions": "embedding_dim",
    "dimension": "embedding_dim",
    "dim": "embedding_dim",
    "dims": "embedding_dim",
    "size": "embedding_dim",
    "distance": "distance_metric",
    "metric": "distance_metric",
    "similarity": "distance_metric",
}
_DISTANCES = {
    "cosine": Distance.COSINE,
    "euclid": Distance.EUCLID,
    "euclidean": Distance.EUCLID,
    "dot": Distance.DOT,
    "manhattan": Distance.MANHATTAN,
}
_MAX_DIMENSION = 65536
_MAX_NAME = 255


def read_features(value: Any, problems: Problems) -> tuple[Feature, ...]:
    """Every feature that is right; what is wrong goes to `problems`, all of it."""
    if value is None:
        fix = "Declare `features` if the plugin makes embeddings"
        problems.warn("no_features", "the plugin declares no features: its documents have no vectors", fix)
        return ()
    if not isinstance(value, list | tuple):
        problems.error(
            "features_type",
            f"`features` is {_kind(value)}, a list of dicts is needed",
            "Write features = [{...}]",
            problems.at.name("features"),
        )
        return ()
    if not value:
        problems.warn(
            "no_features",
            "`features` is empty: documents have no vectors",
            "Add one entry per embedding",
            problems.at.name("features"),
        )
    features = [_feature(item, index, problems) for index, item in enumerate(value)]
    found = [(index, feature) for index, feature in enumerate(features) if feature is not None]
    _refuse_duplicates(found, problems)
    return tuple(feature for _, feature in found)


def _feature(item: Any, index: int, problems: Problems) -> Feature | None:
    if not isinstance(item, Mapping):
        message = f"features[{index}] is {_kind(item)}, a dict is needed"
        problems.error(
            "feature_type", message, f"Give it the keys {', '.join(_KEYS)}", problems.at.item("features", index)
        )
        return None
    _check_keys(item, index, problems)
    name = _name(item, index, problems)
    dimension = _dimension(item, index, problems)
    distance = _distance(item, index, problems)
    kind = item.get("feature_type", "embedding")
    if kind != "embedding":
        _wrong(problems, index, "feature_type", f"feature_type is {kind!r}", "It must be 'embedding'")
        return None
    if name is None or dimension is None or distance is None:
        return None
    return Feature(name, dimension, distance)


def _check_keys(item: Mapping[Any, Any], index: int, problems: Problems) -> None:
    place = problems.at
    meant = {key: _did_you_mean(key) for key in item if key not in (*_KEYS, *_OPTIONAL)}
    for key, right in meant.items():
        fix = f"Did you mean {right!r}?" if right else f"Known keys: {', '.join(_KEYS)}"
        message = f"features[{index}] has the unknown key {key!r}"
        problems.error("feature_unknown_key", message, fix, place.item_key("features", index, str(key)))
    for key in _KEYS:
        if key not in item and key not in meant.values():
            message = f"features[{index}] lacks {key!r}"
            problems.error("feature_missing_key", message, f"Add {key!r}", place.item("features", index))


def _did_you_mean(key: Any) -> str | None:
    if not isinstance(key, str):
        return None
    close = difflib.get_close_matches(key.lower(), _KEYS, n=1, cutoff=0.7)
    return _MEANT.get(key.lower()) or (close[0] if close else None)


def _name(item: Mapping[Any, Any], index: int, problems: Problems) -> str | None:
    if "feature_name" not in item:
        return None
    name = item["feature_name"]
    if isinstance(name, str) and name.strip() and len(name) <= _MAX_NAME:
        return name
    wanted = f"It must be a text of 1 to {_MAX_NAME} characters"
    _wrong(problems, index, "feature_name", f"feature_name is {name!r}", wanted)
    return None


def _dimension(item: Mapping[Any, Any], index: int, problems: Problems) -> int | None:
    if "embedding_dim" not in item:
        return None
    dimension = item["embedding_dim"]
    if isinstance(dimension, int) and not isinstance(dimension, bool) and 1 <= dimension <= _MAX_DIMENSION:
        return dimension
    wanted = f"It must be a whole number from 1 to {_MAX_DIMENSION}"
    _wrong(problems, index, "embedding_dim", f"embedding_dim is {dimension!r}", wanted)
    return None


def _distance(item: Mapping[Any, Any], index: int, problems: Problems) -> Distance | None:
    if "distance_metric" not in item:
        return None
    distance = item["distance_metric"]
    known = _DISTANCES.get(distance.lower()) if isinstance(distance, str) else None
    if known is None:
        wanted = f"Known distances: {', '.join(_DISTANCES)}"
        _wrong(problems, index, "distance_metric", f"distance_metric is {distance!r}", wanted)
    return known


def _refuse_duplicates(features: list[tuple[int, Feature]], problems: Problems) -> None:
    first: dict[str, int] = {}
    for index, feature in features:
        if feature.name in first:
            message = f"feature_name {feature.name!r} is also that of features[{first[feature.name]}]"
            place = problems.at.item_key("features", index, "feature_name")
            problems.error("feature_duplicate", message, "Give each feature a name of its own", place)
        first.setdefault(feature.name, index)


def _wrong(problems: Problems, index: int, key: str, message: str, fix: str) -> None:
    place = problems.at.item_key("features", index, key)
    problems.error(f"feature_{key}_invalid", f"features[{index}].{message}", fix, place)


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
