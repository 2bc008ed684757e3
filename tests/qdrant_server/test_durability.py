"""Nothing that the server acknowledged is lost, whatever happens to it; one process owns a data folder."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from mixpeek_dagster.errors import StoreInUse
from mixpeek_dagster.processes.ports import choose
from mixpeek_dagster.qdrant_server.__main__ import listen

WRITER = """
import sys
from qdrant_client import QdrantClient, models as m
url, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = QdrantClient(url=url, timeout=30)
for start in range(first, last, 20):
    ids = range(start, min(start + 20, last))
    points = [m.PointStruct(id=i, vector={"v": [float(i)] * 64}, payload={"writer": first}) for i in ids]
    client.upsert("c", points)
    print(ids[-1], flush=True)
"""


def create(client: QdrantClient) -> None:
    client.create_collection("c", vectors_config={"v": m.VectorParams(size=64, distance=m.Distance.DOT)})
    client.create_payload_index("c", "writer", m.PayloadSchemaType.INTEGER)


def write(url: str, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, url, str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def written_by(client: QdrantClient, writer: int) -> int:
    condition = m.FieldCondition(key="writer", match=m.MatchValue(value=writer))
    return client.count("c", m.Filter(must=[condition])).count


def test_acknowledged_points_survive_a_kill_in_the_middle_of_writing(serve: Any, tmp_path: Path) -> None:
    server = serve(tmp_path / "data")
    create(server.client())
    writers = {first: write(server.url, first, first + 10**6) for first in (0, 10**7)}
    for writer in writers.values():
        assert writer.stdout is not None
        for _ in range(5):
            assert writer.stdout.readline()
    server.kill()
    acknowledged = [int([str(first + 99), *writer.communicate()[0].split()][-1]) for first, writer in writers.items()]
    client = server.start().client()
    for first, last in zip(writers, acknowledged, strict=True):
        missing = set(range(first, last + 1)) - ids_between(client, first, last)
        assert not missing
    assert client.retrieve("c", [acknowledged[0]], with_vectors=True)[0].vector == {"v": [float(acknowledged[0])] * 64}


def ids_between(client: QdrantClient, first: int, last: int) -> set[int]:
    records, _ = client.scroll("c", limit=last - first + 1, offset=first, with_payload=False)
    return {int(record.id) for record in records}


@pytest.mark.slow
def test_several_processes_write_and_read_at_once(serve: Any, tmp_path: Path) -> None:
    server = serve(tmp_path / "data")
    client = server.client()
    create(client)
    writers = [write(server.url, first, first + 400) for first in (0, 1000, 2000)]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        now = client.count("c").count
        assert now >= seen
        seen = now
    assert [writer.communicate() and writer.returncode for writer in writers] == [0, 0, 0]
    assert [written_by(client, first) for first in (0, 1000, 2000)] == [400, 400, 400]


def test_a_schema_survives_a_kill(serve: Any, tmp_path: Path) -> None:
    server = serve(tmp_path / "data")
    client = server.client()
    client.create_collection("c", vectors_config={}, metadata={"made": "for a test"})
    for name in ("kept", "dropped"):
        config = m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=2, distance=m.Distance.EUCLID))
        client.create_vector_name("c", name, config)
    client.delete_vector_name("c", "dropped")
    client.create_payload_index("c", "k", m.PayloadSchemaType.KEYWORD)
    client.upsert("c", [m.PointStruct(id=1, vector={"kept": [3.0, 4.0]}, payload={"k": "v"})])
    client.create_collection("gone", vectors_config={})
    client.delete_collection("gone")
    server.kill()
    client = server.start().client()
    info = client.get_collection("c")
    assert {name: params.distance for name, params in dict(info.config.params.vectors).items()} == {"kept": "Euclid"}
    assert info.payload_schema["k"].points == 1
    assert info.config.metadata == {"made": "for a test"}
    assert client.query_points("c", [0.0, 0.0], using="kept").points[0].score == 5
    assert not client.collection_exists("gone")


@pytest.mark.parametrize("vector", [True, False], ids=["then a vector", "alone"])
def test_indexes_of_an_empty_collection_survive_a_kill(serve: Any, tmp_path: Path, vector: bool) -> None:
    server = serve(tmp_path / "data")
    client = server.client()
    create(client)
    for field in ("a", "b"):
        client.create_payload_index("c", field, m.PayloadSchemaType.KEYWORD)
    client.delete_payload_index("c", "b")
    if vector:
        config = m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=2, distance=m.Distance.DOT))
        client.create_vector_name("c", "second", config)
    server.kill()
    client = server.start().client()
    info = client.get_collection("c")
    assert {field: index.data_type.value for field, index in info.payload_schema.items()} == {
        "writer": "integer",
        "a": "keyword",
    }
    assert set(dict(info.config.params.vectors)) == ({"v", "second"} if vector else {"v"})
    client.upsert("c", [m.PointStruct(id=1, vector={"v": [1.0] * 64}, payload={"a": "x", "writer": 3})])
    assert {field: index.points for field, index in client.get_collection("c").payload_schema.items()} == {
        "writer": 1,
        "a": 1,
    }
    assert written_by(client, 3) == 1


def test_kills_while_the_schema_changes_lose_no_point(serve: Any, tmp_path: Path) -> None:
    server = serve(tmp_path / "data")
    create(server.client())
    folder = next((tmp_path / "data" / "collections").iterdir())
    vectors = [[float(number)] * 64 for number in range(500)]
    for round_number in range(4):
        client = server.client()
        ids = range(1000 * round_number, 1000 * round_number + 500)
        points = [m.PointStruct(id=i, vector={"v": vector}) for i, vector in zip(ids, vectors, strict=True)]
        client.upsert("c", points)
        changer = threading.Thread(target=change_schema_until_refused, args=(server.client(), round_number))
        changer.start()
        changes = len(list(folder.iterdir()))
        while len(list(folder.iterdir())) <= changes:
            assert changer.is_alive()
        server.kill()
        changer.join()
        client = server.start().client()
        found = {record.id: record.vector for record in client.scroll("c", limit=10_000, with_vectors=["v"])[0]}
        assert [found[number] for number in ids] == [{"v": vector} for vector in vectors]
        assert len(found) == 500 * (round_number + 1)
        for name, params in dict(client.get_collection("c").config.params.vectors).items():
            assert client.query_points("c", [1.0] * params.size, using=name) is not None
    assert sorted(entry.name.partition("-")[0] for entry in folder.iterdir()) == ["schema.json", "shard"]


def change_schema_until_refused(client: QdrantClient, tag: int) -> None:
    config = m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=tag + 2, distance=m.Distance.DOT))
    with suppress(ResponseHandlingException):
        for number in itertools.count():
            client.create_vector_name("c", f"extra-{tag}-{number}", config)
            client.create_payload_index("c", f"field-{tag}-{number}", m.PayloadSchemaType.KEYWORD)
            client.delete_vector_name("c", f"extra-{tag}-{number}")


def test_what_an_unfinished_change_left_is_removed(serve: Any, tmp_path: Path) -> None:
    server = serve(tmp_path / "data")
    create(server.client())
    assert server.stop() == 0
    collections = tmp_path / "data" / "collections"
    folder = next(collections.iterdir())
    (collections / ".new-unfinished" / "shard").mkdir(parents=True)
    (folder / "shard-unfinished" / "wal").mkdir(parents=True)
    assert server.start().client().count("c").count == 0
    assert list(collections.iterdir()) == [folder]
    assert len(list(folder.iterdir())) == 2


def test_points_deleted_and_overwritten_stay_so_after_a_restart(serve: Any, tmp_path: Path) -> None:
    server = serve(tmp_path / "data")
    client = server.client()
    create(client)
    points = [m.PointStruct(id=i, vector={"v": [1.0] * 64}, payload={"writer": 1}) for i in range(100)]
    client.upsert("c", points)
    client.delete("c", list(range(50)))
    client.upsert("c", [m.PointStruct(id=99, vector={}, payload={"writer": 2})])
    assert server.stop() == 0
    client = server.start().client()
    assert (written_by(client, 1), written_by(client, 2)) == (49, 1)


def test_a_second_server_on_a_folder_ends_at_once_with_one_line(serve: Any, tmp_path: Path) -> None:
    server = serve(tmp_path / "data")
    second = second_server(tmp_path / "data", server.port + 1)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"data folder {tmp_path / 'data'}: another process owns it (pid {server.process.pid})" in second.stderr


def test_a_taken_port_is_said_in_one_line(serve: Any, tmp_path: Path) -> None:
    server = serve(tmp_path / "data")
    second = second_server(tmp_path / "other", server.port)
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"port {server.port} on 127.0.0.1: Address already in use" in second.stderr


def test_a_port_that_a_starting_server_took_is_no_others() -> None:
    (port,) = choose({"qdrant": ()}).values()
    with listen(port), pytest.raises(StoreInUse, match="Address already in use"):
        listen(port)


def second_server(path: Path, port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mixpeek_dagster.qdrant_server", "--path", str(path)]
    return subprocess.run([*command, "--port", str(port)], capture_output=True, text=True, timeout=30, check=False)


def test_of_two_that_create_a_collection_one_is_told_so(server: Any) -> None:
    def attempt(_: int) -> bool:
        with suppress(UnexpectedResponse):
            return bool(server.client().create_collection("contested", vectors_config={}))
        return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_collection_may_be_deleted_under_its_writers(server: Any) -> None:
    client = server.client()
    create(client)
    writer = write(server.url, 0, 10**6)
    assert writer.stdout is not None
    assert writer.stdout.readline()
    assert client.delete_collection("c")
    writer.communicate()
    assert writer.returncode == 1
    assert not client.collection_exists("c")


def test_a_client_of_a_killed_server_gets_an_error(
    serve: Any, tmp_path: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    server = serve(tmp_path / "data")
    client = server.client()
    create(client)
    server.kill()
    with pytest.raises(ResponseHandlingException):
        client.count("c")
    server.start()
    eventually(lambda: client.count("c").count == 0)
