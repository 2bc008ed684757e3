"""The same job in CocoIndex 1: walk a folder, embed each file, declare a point in Qdrant for it.

    python cocoindex_flow.py FOLDER QDRANT_URL COLLECTION THREADS

Written after CocoIndex's own text embedding example for Qdrant, without the splitting into chunks: one file is one
point. The time is that of the first update, loading of the model included.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import cocoindex as coco
import torch
from cocoindex.connectors import localfs, qdrant
from cocoindex.ops.sentence_transformers import SentenceTransformerEmbedder
from cocoindex.resources.file import FileLike, PatternFilePathMatcher
from cocoindex.resources.id import IdGenerator
from qdrant_client import QdrantClient

_FOLDER, _URL, _COLLECTION, _THREADS = sys.argv[1:]
_QDRANT = coco.ContextKey[QdrantClient]("qdrant")
_EMBEDDER = coco.ContextKey[SentenceTransformerEmbedder]("embedder")


@coco.lifespan
async def lifespan(builder: coco.EnvironmentBuilder) -> AsyncIterator[None]:
    """What the functions work with."""
    torch.set_num_threads(int(_THREADS))
    # The embedded server speaks HTTP alone.
    builder.provide(_QDRANT, qdrant.create_client(_URL, prefer_grpc=False, timeout=120))
    builder.provide(_EMBEDDER, SentenceTransformerEmbedder("sentence-transformers/all-MiniLM-L6-v2", device="cpu"))
    yield


@coco.fn(memo=True)
async def process_file(file: FileLike, target: qdrant.CollectionTarget) -> None:
    """One file becomes one point."""
    text = await file.read_text()
    vector = await coco.use_context(_EMBEDDER).embed(text)
    payload = {"filename": str(file.file_path.path), "text": text}
    point_id = await IdGenerator().next_id(str(file.file_path.path))
    target.declare_point(qdrant.PointStruct(id=point_id, vector=vector.tolist(), payload=payload))


@coco.fn
async def app_main(folder: Path) -> None:
    """The whole job."""
    target = await qdrant.mount_collection_target(
        _QDRANT,
        collection_name=_COLLECTION,
        schema=await qdrant.CollectionSchema.create(vectors=qdrant.QdrantVectorDef(schema=_EMBEDDER)),
    )
    files = localfs.walk_dir(folder, path_matcher=PatternFilePathMatcher(included_patterns=["**/*.txt"]))
    await coco.mount_each(process_file, files.items(), target)


def main() -> None:
    """Run the job."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COCOINDEX_DB"] = str(Path(folder) / "cocoindex.db")
        app = coco.App(coco.AppConfig(name=_COLLECTION), app_main, folder=Path(_FOLDER))
        started = time.perf_counter()
        app.update_blocking()
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
