"""The shapes of everything that is stored: as they are now, and as they were written down."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from mixpeek_dagster.catalog.arrivals import PAGE_VERSION
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.catalog.connection import connect
from mixpeek_dagster.catalog.repositories import MEMBER_VERSION
from mixpeek_dagster.catalog.repository import Repository
from mixpeek_dagster.dagster_home.runs import DAGSTER_YAML
from mixpeek_dagster.index.payload import INDEXED, INDEXED_NUMBERS, INTERNAL, PAYLOAD_VERSION
from mixpeek_dagster.objects.artifacts import MANIFEST_VERSION
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.codec import Codec
from mixpeek_dagster.rows.parquet import PART_VERSION, write_part

SNAPSHOT = Path(__file__).parent / "data" / "shapes.json"
_WORDS = frozenset({"description", "title"})


def catalog_shapes() -> dict[str, dict[str, Any]]:
    """Version, fields and indexes of every kind of record."""
    with connect("mongodb://127.0.0.1:9") as client:
        kinds = [item for item in vars(Catalog(client, "", "shapes")).values() if isinstance(item, Repository)]
    found = {item.record.__name__: (item.record.schema_version, _described(item)) for item in kinds}
    return {name: _shape(*found[name]) for name in sorted(found)}


def member_shape(document: Mapping[str, Any]) -> dict[str, Any]:
    """Version and keys of an object's place in a batch."""
    return _shape(MEMBER_VERSION, sorted(document))


def page_shape(document: Mapping[str, Any]) -> dict[str, Any]:
    """Version and keys of what a page of a listing leaves."""
    return _shape(PAGE_VERSION, sorted(document))


def payload_shape(document: Mapping[str, Any]) -> dict[str, Any]:
    """Version and keys of a document's payload that are ours, and what is indexed."""
    own = {"root": sorted(set(document) - {INTERNAL}), INTERNAL: sorted(document[INTERNAL])}
    return _shape(PAYLOAD_VERSION, {**own, "indexed": sorted(INDEXED), "indexed_numbers": sorted(INDEXED_NUMBERS)})


def manifest_shape(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Version and keys of the manifest of kept features."""
    reports = [sorted(report) for report in manifest["metadata"]["reports"]]
    keys = {"root": sorted(manifest), "metadata": sorted(manifest["metadata"]), "report": reports[0]}
    return _shape(MANIFEST_VERSION, {**keys, "part": sorted(manifest["parts"][0])})


def part_shape() -> dict[str, Any]:
    """Version of a Parquet part, its metadata, how each kind of column is written, and our columns."""
    cells = {"number": [1], "text": ["a"], "structure": [{"a": 1}], "vector": [[0.5, 1.5]], "moment": [pd.Timestamp(0)]}
    schema = pq.read_schema(io.BytesIO(write_part(pd.DataFrame(cells), frozenset({"vector"}))))
    fields = {field.name: f"{field.type}, {(field.metadata or {})[b'mixpeek.codec'].decode()}" for field in schema}
    ours = [*columns.VISIBLE, *columns.SOURCE, *columns.BOOKKEEPING]
    metadata = sorted(key.decode() for key in schema.metadata if key.startswith(b"mixpeek"))
    return _shape(PART_VERSION, {"metadata": metadata, "fields": fields, "codecs": list(Codec), "columns": ours})


def dagster_yaml_shape() -> dict[str, Any]:
    """What a home's `dagster.yaml` is recognised by."""
    return {"sha256": hashlib.sha256(DAGSTER_YAML.encode()).hexdigest()}


def _shape(version: int, shape: Any) -> dict[str, Any]:
    return {"version": version, "shape": shape}


def _described(repository: Repository[Any]) -> dict[str, Any]:
    indexes = [[[name for name, _ in keys], unique] for keys, unique in repository.indexes]
    return {"fields": _bare(repository.record.model_json_schema()), "indexes": indexes}


def _bare(schema: Any, *, names: bool = False) -> Any:
    """A JSON schema without the words in it; `names` = its keys are names of fields, which may be such words."""
    if isinstance(schema, dict):
        kept = {key: value for key, value in schema.items() if names or key not in _WORDS}
        return {key: _bare(value, names=not names and key in ("properties", "$defs")) for key, value in kept.items()}
    return [_bare(item) for item in schema] if isinstance(schema, list) else schema


def compare(name: str, now: Mapping[str, Any], known: Mapping[str, Any] | None) -> None:
    """See that a shape has not changed since it was written down.

    Raises:
        AssertionError: it has; says what is to be done.
    """
    if now == known:
        return
    if known is not None and now.get("version") == known.get("version") and "version" in now:
        raise AssertionError(
            f"the stored shape of {name} has changed, and its version {now['version']} has not. Raise the version, add "
            f"a migration to mixpeek_dagster/migrations/versions, and write the shape down; CONTRIBUTING.md, 'Changing "
            f"what is stored', says how. The shape now: {json.dumps(now['shape'], sort_keys=True)}"
        )
    raise AssertionError(
        f"the stored shape of {name} is not written down. If its migration is there, write it down with "
        f"`WRITE_SHAPES=1 python -m pytest tests/migrations/test_shapes.py`, and commit {SNAPSHOT.name}"
    )


def written() -> dict[str, Any]:
    """The shapes as they were written down, by name."""
    found: dict[str, Any] = json.loads(SNAPSHOT.read_text(encoding="utf-8")) if SNAPSHOT.exists() else {}
    return found


def check(shapes: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare shapes with those that were written down, or write them down if `WRITE_SHAPES` is set."""
    known = written()
    if os.environ.get("WRITE_SHAPES"):
        SNAPSHOT.write_text(json.dumps({**known, **shapes}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return
    for name, now in shapes.items():
        compare(name, now, known.get(name))
