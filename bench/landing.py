"""An installation of its own with a collection of short texts, and what lands in its bucket."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from mixpeek_dagster.catalog.records import Bucket
from mixpeek_dagster.objects.connection import S3Access
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores, open_stores

_RUN = [sys.executable, "-c", "from mixpeek_dagster.cli.main import run; run()"]
_FILES = {
    "manifest.py": """
feature_extractor_name = "lengths"
version = "1.0.0"
features = [
    {"feature_type": "embedding", "feature_name": "vector", "embedding_dim": 4, "distance_metric": "cosine"},
]
""",
    "pipeline.py": """
from engine.plugins.extractors.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps
from .processors.core import Lengths


def build_steps(extractor_request, **kwargs):
    pipeline = PipelineDefinition(name="lengths", version="1.0.0", steps=[StepDefinition(service_class=Lengths)])
    return {"steps": build_pipeline_steps(pipeline)}
""",
    "processors/core.py": """
class Lengths:
    def __call__(self, batch):
        batch["vector"] = [[float(len(text)), 1.0, 0.5, 0.25] for text in batch["data"]]
        return batch
""",
}


class Landing:
    """A home folder, a bucket with sync on, and `mixpeek up` when it is wanted."""

    def __init__(self, folder: Path, *, batch_objects: int = 1000) -> None:
        self.home = folder / "home"
        self._process: subprocess.Popen[str] | None = None
        self._variables = {
            **os.environ,
            "MIXPEEK_HOME": str(self.home),
            "MIXPEEK_DAGSTER_PORT": "0",
            "MIXPEEK_API_PORT": "0",
        }
        for name, text in _FILES.items():
            (folder / "lengths" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "lengths" / name).write_text(text, encoding="utf-8")
        self.command("bucket", "sync", "on", "texts", "--batch-objects", str(batch_objects), "--batch-seconds", "2")
        self.command("collection", "create", "lengths", "--plugin", str(folder / "lengths"), "--bucket", "texts")

    def command(self, *arguments: str) -> None:
        """Run the `mixpeek` command."""
        subprocess.run([*_RUN, *arguments], env=self._variables, cwd=self.home.parent, check=True, capture_output=True)

    @contextmanager
    def stores(self) -> Iterator[Stores]:
        """The installation's stores."""
        with open_stores(Settings.model_validate({"home": self.home})) as stores:
            yield stores

    def up(self) -> None:
        """Start `mixpeek up`."""
        log = (self.home / "up.log").open("a")
        self._process = subprocess.Popen(
            [*_RUN, "up", "--no-inference"], env=self._variables, stdout=log, stderr=log, text=True
        )

    def kill(self) -> None:
        """End it and all it started, but the stores, with SIGKILL."""
        if self._process is None:
            return
        for child in [*psutil.Process(self._process.pid).children(recursive=True), self._process]:
            try:
                child.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it as a user would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)
            self._process = None


class Writers:
    """Several clients that put, overwrite and delete; what must be left is known."""

    def __init__(self, stores: Stores, bucket: Bucket, seed: int, count: int) -> None:
        self._access = S3Access.of(stores.settings)
        self._bucket = bucket
        self._chances = [random.Random(seed + writer) for writer in range(count)]
        self._held: list[dict[str, str]] = [{} for _ in range(count)]
        self._put_so_far = 0

    @property
    def final(self) -> dict[str, str]:
        """Keys and texts that must be left."""
        return {key: text for held in self._held for key, text in held.items()}

    def work(self, objects: int) -> None:
        """Each writer has keys of its own: puts new ones, overwrites a fifth and deletes a tenth of all it has."""
        share = objects // len(self._held)
        with ThreadPoolExecutor(len(self._held)) as pool:
            list(pool.map(lambda writer: self._one(writer, share), range(len(self._held))))
        self._put_so_far += share

    def _one(self, writer: int, objects: int) -> None:
        client, chance, held = self._access.client(), self._chances[writer], self._held[writer]
        for number in range(self._put_so_far, self._put_so_far + objects):
            key = f"w{writer}/{number} ü+%.txt"
            held[key] = self._put(client, key, f"first {writer} {number}")
            if chance.random() < 0.2:
                old = chance.choice(list(held))
                held[old] = self._put(client, old, f"again {writer} {number}")
            if chance.random() < 0.1:
                old = chance.choice(list(held))
                client.delete_object(Bucket=self._bucket.s3_bucket, Key=self._bucket.prefix + old)
                del held[old]

    def _put(self, client: Any, key: str, text: str) -> str:
        client.put_object(Bucket=self._bucket.s3_bucket, Key=self._bucket.prefix + key, Body=text.encode())
        return text


def differences(stores: Stores, bucket: Bucket, final: dict[str, str]) -> tuple[int, int, int]:
    """How many documents are missing, extra, and of an older content."""
    (collection,) = stores.catalog.collections.find(bucket.namespace_id)
    found: dict[str, list[str]] = {}
    keys = [item.blobs[0].blob_id for item in stores.catalog.objects.of_bucket(bucket.bucket_id)]
    for document in stores.index.documents_of(bucket.namespace_id, collection.collection_id, keys):
        found.setdefault(document["object_key"], []).append(document["_internal"]["snippet"])
    total = stores.index.count_documents(bucket.namespace_id, collection.collection_id)
    extra = total - sum(1 for key in found if key in final)
    stale = sum(1 for key, texts in found.items() if key in final and texts != [final[key]])
    return len(set(final) - set(found)), extra, stale


def unfinished(stores: Stores, bucket: Bucket) -> str:
    """What became of the batches that are not completed, for a look at what is missing."""
    batches = [item for item in stores.catalog.batches.of_bucket(bucket.bucket_id) if item.status != "COMPLETED"]
    return "; ".join(f"{item.batch_id} {item.status}, attempt {item.attempt}: {item.reason}" for item in batches)


def wait_until_settled(stores: Stores, bucket: Bucket, final: dict[str, str], seconds: float) -> float:
    """Wait until the documents are those of the final objects; gives the seconds, or as many as there were."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if differences(stores, bucket, final) == (0, 0, 0):
            break
        time.sleep(2)
    return time.monotonic() - started
