"""Rows between steps in S3: kept, handed on without keys, and swept."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.graph.spool_io import dump_flow, load_flow
from mixpeek_dagster.objects.connection import S3Access
from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.objects.spools import ObjectSpool, sweep_object_spools
from mixpeek_dagster.rows.rows import Rows, RowsWriter
from mixpeek_dagster.runs.flow import Flow
from tests.rows.conftest import source

__all__ = ["source"]

Source = Callable[..., pd.DataFrame]


@pytest.fixture
def objects(embedded: EmbeddedStores) -> ObjectStore:
    access = S3Access(embedded.s3_url, "us-east-1", embedded.s3_access_key_id, embedded.s3_secret_access_key)
    return ObjectStore(access, f"spools-{secrets.token_hex(4)}")


def _written(objects: ObjectStore, frame: pd.DataFrame, prefix: str = "_spool/run/col/Embed") -> Rows:
    with RowsWriter(ObjectSpool(objects, prefix), frozenset({"v"}), 2) as writer:
        writer.append(frame)
    return writer.rows()


def test_rows_come_back_from_s3_as_they_were(objects: ObjectStore, source: Source) -> None:
    given = source(3, v=[[1.0, 2.0], None, [3.0, 4.0]])
    rows = _written(objects, given)
    back = pd.concat(rows.chunks(), ignore_index=True)
    assert [len(chunk) for chunk in rows.chunks()] == [2, 1]
    assert back["document_id"].tolist() == given["document_id"].tolist()
    assert [None if v is None else v.tolist() for v in back["v"]] == [[1.0, 2.0], None, [3.0, 4.0]]


def test_deleted_rows_are_gone_and_others_stay(objects: ObjectStore, source: Source) -> None:
    rows = _written(objects, source(3))
    other = _written(objects, source(1), "_spool/run/col/Embed_2")
    rows.delete()
    rows.delete()
    with pytest.raises(NotFound):
        next(rows.chunks())
    assert len(list(other.chunks())) == 1


def test_a_handle_travels_without_the_keys(objects: ObjectStore, embedded: EmbeddedStores, source: Source) -> None:
    flow = Flow(_written(objects, source(3)), fetched=3)
    content = dump_flow(flow)
    for secret in (embedded.s3_access_key_id, embedded.s3_secret_access_key):
        assert secret.get_secret_value().encode() not in content
    again = load_flow(content, objects)
    assert (again.fetched, again.rows.parts) == (3, flow.rows.parts)
    assert sum(len(chunk) for chunk in again.rows.chunks()) == 3


def test_an_object_store_refuses_to_be_pickled(objects: ObjectStore) -> None:
    with pytest.raises(TypeError, match="holds keys"):
        pickle.dumps(Flow(Rows(ObjectSpool(objects, "_spool/run/col/Embed"), (), 0, frozenset())))


@pytest.mark.parametrize(("kept_seconds", "swept"), [(3600.0, 0), (-1.0, 2)])
def test_runs_of_long_ago_are_swept(objects: ObjectStore, source: Any, kept_seconds: float, swept: int) -> None:
    for run in ("a", "b"):
        _written(objects, source(1), f"_spool/{run}/col/Embed")
        objects.put(f"_spool/{run}/handles/Embed/rows", b"x")
    objects.put("_artifacts/kept", b"x")
    assert sweep_object_spools(objects, kept_seconds=kept_seconds) == swept
    assert len(objects.keys("_spool/")) == (0 if swept else 4)
    assert objects.keys("_artifacts/") == ["_artifacts/kept"]
