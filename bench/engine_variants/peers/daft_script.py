"""The same job in Daft: read text files, `embed_text`, write to Qdrant through a data sink.

    python daft_script.py FOLDER QDRANT_URL COLLECTION THREADS

`embed_text` with the provider `transformers` is Daft's own way to sentence-transformers; a data sink is its way to a
store that it has no writer for. The time is that of the whole query, loading of the model included.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import daft
import torch
from daft.functions import decode, download, embed_text
from daft.io import DataSink
from daft.io.sink import WriteResult
from daft.recordbatch import MicroPartition
from daft.schema import Schema
from qdrant_client import QdrantClient, models

_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_UPSERT_ROWS = 256


class QdrantSink(DataSink[int]):
    """Upserts rows of `path`, `text` and `embedding`."""

    def __init__(self, url: str, collection: str) -> None:
        self._url = url
        self._collection = collection

    def schema(self) -> Schema:
        return Schema.from_pydict({"written": daft.DataType.int64()})

    def write(self, micropartitions: Iterator[MicroPartition]) -> Iterator[WriteResult[int]]:
        client = QdrantClient(url=self._url, timeout=120)
        for part in micropartitions:
            points = _points(part)
            for at in range(0, len(points), _UPSERT_ROWS):
                client.upsert(self._collection, points[at : at + _UPSERT_ROWS], wait=True)
            yield WriteResult(result=len(points), bytes_written=part.size_bytes() or 0, rows_written=len(points))

    def finalize(self, write_results: list[WriteResult[int]]) -> MicroPartition:
        return MicroPartition.from_pydict({"written": [sum(result.result for result in write_results)]})


def _points(part: MicroPartition) -> list[models.PointStruct]:
    columns = part.to_pydict()
    return [
        models.PointStruct(
            id=str(uuid.uuid5(uuid.NAMESPACE_URL, path)),
            vector=list(map(float, vector)),
            payload={"filename": Path(path).name, "text": text},
        )
        for path, text, vector in zip(columns["path"], columns["text"], columns["embedding"], strict=True)
    ]


def main(folder: str, url: str, collection: str, threads: str) -> None:
    """Run the job."""
    torch.set_num_threads(int(threads))
    started = time.perf_counter()
    frame = daft.from_glob_path(f"{folder}/*.txt").select("path")
    frame = frame.with_column("text", decode(download(daft.col("path")), "utf-8"))
    frame = frame.with_column("embedding", embed_text(daft.col("text"), provider="transformers", model=_MODEL))
    written = frame.write_sink(QdrantSink(url, collection)).to_pydict()["written"]
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "written": sum(written)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
