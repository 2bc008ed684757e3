"""A plugin's reply: held against the manifest, then made JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from mixpeek_dagster.plugins.spec import Feature, PluginSpec

PRIMARY = "embedding"
MANY = "embeddings"


class InvalidReply(Exception):
    """A reply that does not keep what the manifest promises."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


def encode_reply(reply: Any, spec: PluginSpec, inputs: Mapping[str, Any]) -> bytes:
    """The reply as JSON; arrays, scalars and tensors become lists and numbers.

    Raises:
        InvalidReply: it is no dict, a vector in it is not what the manifest says, or it is not JSON.
    """
    if not isinstance(reply, dict):
        raise InvalidReply(f"it is a {type(reply).__name__}, a dict is needed", got=type(reply).__name__)
    texts = inputs.get("texts")
    count = len(texts) if isinstance(texts, list) else None
    for key, feature in _vectors(reply, spec, inputs):
        _check_vectors(key, reply[key], feature, count)
    try:
        return orjson.dumps(reply, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError as error:
        raise InvalidReply(f"it is not JSON: {error}") from None


def _vectors(reply: Mapping[str, Any], spec: PluginSpec, inputs: Mapping[str, Any]) -> Iterator[tuple[str, Feature]]:
    """The reply's keys that hold vectors, each with the feature it must fit."""
    by_name = {feature.name: feature for feature in spec.features}
    yield from ((key, feature) for key, feature in by_name.items() if key in reply)
    if spec.features:
        primary = by_name.get(str(inputs.get("vector_index")), spec.features[0])
        yield from ((key, primary) for key in (PRIMARY, MANY) if key in reply and key not in by_name)


def _check_vectors(key: str, value: Any, feature: Feature, count: int | None) -> None:
    """One vector, or one per text where the request had `texts`.

    Args:
        key: where the reply has it.
        value: what the reply has there.
        feature: gives the dimension.
        count: number of texts in the request; None = it had no list of texts.

    Raises:
        InvalidReply: naming key, feature and sizes.
    """
    vectors = _array(key, value, feature)
    expected: tuple[int, ...] = (feature.dimension,)
    if vectors.ndim == 2 and (key == MANY or count is not None):
        expected = (len(vectors) if count is None else count, feature.dimension)
    if vectors.shape != expected:
        raise _wrong(key, feature, f"{_size(expected)} needed, got {_size(vectors.shape)}", got=list(vectors.shape))
    if not np.isfinite(vectors).all():
        raise _wrong(key, feature, f"{np.count_nonzero(~np.isfinite(vectors))} numbers are not finite")
    if not vectors.any(axis=-1).all():
        raise _wrong(key, feature, "all numbers are zero")


def _array(key: str, value: Any, feature: Feature) -> np.ndarray[Any, np.dtype[Any]]:
    try:
        array = np.asarray(_plain(value) if hasattr(value, "tolist") else value)
    except ValueError:
        raise _wrong(key, feature, "its rows differ in length") from None
    if array.dtype.kind not in "fiu":
        got = type(value).__name__
        raise _wrong(key, feature, f"{feature.dimension} numbers needed, got a {got}", got=got)
    return array


def _wrong(key: str, feature: Feature, why: str, **details: Any) -> InvalidReply:
    name = f"{key!r}" if key == feature.name else f"{key!r} (feature {feature.name!r})"
    return InvalidReply(f"{name}: {why}", feature=feature.name, key=key, dimension=feature.dimension, **details)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} numbers" if len(shape) == 1 else f"{' x '.join(map(str, shape)) or 'one number'}"


def _plain(value: Any) -> Any:
    """What a foreign type holds, as lists and numbers.

    Raises:
        TypeError: it has nothing of the kind.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no JSON form")
