"""What only a cluster has: workers that die, resources, jobs, and many eyes that must not see keys."""

from __future__ import annotations

import base64
import os
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mixpeek_dagster.dagster_home.graphql import PARTITION_TAG
from mixpeek_dagster.dagster_home.runs import open_instance
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.run_worker import WORKER_TAG
from tests.ray_cluster import RayCluster
from tests.runs.conftest import World

DYING = '''
import os
import signal
from pathlib import Path

import pandas as pd


class Die:
    """Two rows of each. Kills its process in the middle of its work, as often as there are files in a folder."""

    def __call__(self, batch):
        for death in sorted(Path(DEATHS).iterdir()):
            if any("deadly" in text for text in batch["data"]):
                death.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        halves = pd.concat([batch.assign(half=half, data=batch["data"] + str(half)) for half in range(2)])
        return halves.assign(vector=[[float(len(text)), 1.0, 2.0, 3.0] for text in halves["data"]])


STEPS = [Die]
'''
WHERE = """
import os

from engine.plugins.extractors.pipeline import PipelineDefinition, ResourceType, StepDefinition, build_pipeline_steps


class Where:
    def __init__(self, config):
        import torch

        self.threads = torch.get_num_threads()

    def __call__(self, batch):
        import ray

        batch["vector"] = [[1.0, 2.0, 3.0, 4.0]] * len(batch)
        batch["claimed"] = str(sorted(ray.get_runtime_context().get_assigned_resources().items()))
        batch["threads"] = self.threads
        batch["file"] = __file__
        batch["pid"] = os.getpid()
        return batch


def build_steps(extractor_request, **kwargs):
    step = StepDefinition(service_class=Where, resource_type=ResourceType.GPU, config={"num_gpus": GPUS})
    return {"steps": build_pipeline_steps(PipelineDefinition("p", "1", [step]))}
"""

Make = Callable[..., World]


def _dying(world: World, deaths: int) -> Path:
    folder = world.tmp_path / f"deaths{deaths}"
    folder.mkdir()
    for number in range(deaths):
        (folder / str(number)).touch()
    return world.plugin(f"DEATHS = {str(folder)!r}\n{DYING}")


def _halves(world: World, deaths: int) -> list[Any]:
    """What becomes of the same five files, one of which is deadly and one of which cannot be read."""
    collection = world.collection(_dying(world, deaths))
    batch = world.ingest(
        {"a.txt": "one", "b.txt": "deadly", "c.txt": "three", "d.txt": "x", "e.png": b"\x89PNG\r\n\x1a\n"}
    )
    outcome = world.run(collection, batch)
    assert outcome.success, outcome.error
    documents = world.documents(collection)
    assert len({d["document_id"] for d in documents}) == len(documents)
    found = sorted((d["object_key"], d["half"], d["_internal"]["snippet"]) for d in documents)
    return [found, world.ledger(collection, batch), world.status(outcome), [check.message for check in outcome.checks]]


def test_a_worker_killed_in_mid_step_loses_nothing_and_doubles_nothing(ray: RayCluster, make_world: Make) -> None:
    here = _halves(make_world(chunk_rows=2, batch_size=2), deaths=0)
    there = make_world(chunk_rows=2, batch_size=2, ray_address=ray.address)

    assert _halves(there, deaths=1) == here

    assert len(here[0]) == 8
    assert list((there.tmp_path / "deaths1").iterdir()) == []


@pytest.mark.slow
def test_rows_that_kill_every_worker_fail_the_step_and_the_run_can_be_taken_up(
    ray: RayCluster, make_world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(chunk_rows=2, ray_address=ray.address)
    collection = world.collection(_dying(world, deaths=50))

    batch = world.ingest({"b.txt": "deadly"})
    outcome = world.run(collection, batch)

    assert not outcome.success
    assert "step 'Die' on the Ray cluster: workers died 4 times on the same rows" in str(outcome.error)
    assert "MIXPEEK_BATCH_SIZE" in str(outcome.error)
    left = list((world.tmp_path / "deaths50").iterdir())
    assert len(left) == 46
    for death in left:
        death.unlink()

    monkeypatch.delitem(sys.modules, "mixpeek_dagster.definitions", raising=False)
    name = names.job_name(world.namespace.namespace_name, "notes")
    job = dg.build_reconstructable_job("mixpeek_dagster.definitions", "job", (name,))
    again = dg.ReexecutionOptions.from_failure(outcome.run_id, world.instance)
    tags = {PARTITION_TAG: batch.batch_id}
    with dg.execute_job(job, world.instance, tags=tags, reexecution_options=again) as result:
        assert result.success
        ran = [str(event.step_key).rpartition(".")[2] for event in result.get_step_success_events()]
    assert ran[:2] == ["Die", "keep_features"]
    assert len(world.documents(collection)) == 2


def _gpu_plugin(world: World, gpus: float) -> Path:
    folder = world.plugin()
    (folder / "pipeline.py").write_text(f"GPUS = {gpus}\n{WHERE}", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_workers_share_a_gpu_and_load_the_plugin_from_s3(ray: RayCluster, make_world: Make) -> None:
    world = make_world(chunk_rows=1, ray_address=ray.address)
    collection = world.collection(_gpu_plugin(world, 0.5))

    outcome = world.run(collection, world.ingest({f"{n}.txt": f"text {n}" for n in range(12)}))

    assert outcome.success, outcome.error
    documents = world.documents(collection)
    assert {d["claimed"] for d in documents} == {"[('CPU', 0.9), ('GPU', 0.5)]"}
    assert {d["threads"] for d in documents} == {1}
    assert all(d["file"].startswith(str(ray.folder / "node" / "plugins")) for d in documents)
    assert 1 <= len({d["pid"] for d in documents}) <= 2


@pytest.mark.slow
def test_a_step_that_wants_more_gpus_than_there_are_says_so(ray: RayCluster, make_world: Make) -> None:
    world = make_world(ray_address=ray.address)
    collection = world.collection(_gpu_plugin(world, 3))

    outcome = world.run(collection, world.ingest({"a.txt": "one"}))

    assert not outcome.success
    assert "a worker needs 1 CPU and 3 GPU" in str(outcome.error)
    assert "MIXPEEK_GPU_STEPS_ON_CPU" in str(outcome.error)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_step_is_a_job_in_which_no_key_is_seen(
    ray: RayCluster, make_world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.job_submission import JobSubmissionClient
    from ray.util.state import list_actors, list_runtime_envs, list_tasks

    monkeypatch.delitem(sys.modules, "mixpeek_dagster.definitions", raising=False)
    made = make_world(chunk_rows=2, ray_address=ray.jobs)
    # The jobs write their events to files, where this process reads them.
    with open_instance(made.settings) as instance:
        world = replace(made, instance=instance)
        collection = world.collection(world.plugin())
        batch = world.ingest({f"{n}.txt": "x" * n for n in range(1, 6)})
        outcome = world.run(collection, batch)
        (record,) = instance.get_run_records(dg.RunsFilter([outcome.run_id]))

    assert outcome.success, outcome.error
    assert sorted(d["length"] for d in world.documents(collection)) == [1, 2, 3, 4, 5]
    assert record.dagster_run.tags[WORKER_TAG].split(":")[1] == str(os.getpid())
    jobs = [job for job in JobSubmissionClient(ray.jobs).list_jobs() if job.submission_id]
    ran = [(job.metadata or {})["dagster/op"].rpartition("__")[2] for job in jobs]
    assert sorted(ran) == ["blobs", "documents", "features.Embed", "features.keep_features", "features.select_rows"]
    shown: list[Any] = [
        list_actors(ray.jobs, detail=True),
        list_tasks(ray.jobs, detail=True),
        list_runtime_envs(ray.jobs),
    ]
    assert any("StepWorker" in actor.class_name for actor in shown[0])
    arguments = [_unpacked((job.runtime_env or {})["env_vars"]["DAGSTER_COMPRESSED_EXECUTE_STEP_ARGS"]) for job in jobs]
    seen = b"".join([repr([jobs, *shown]).encode(), *arguments, *_files(ray.folder / "ray")])
    assert all(outcome.run_id.encode() in one for one in arguments)
    assert f"'MIXPEEK_RAY_ADDRESS': '{ray.jobs}'".encode() in seen
    assert len(ray.secrets) == 3
    assert [name for name, value in ray.secrets.items() if value.encode() in seen] == []


def _unpacked(arguments: str) -> bytes:
    return zlib.decompress(base64.b64decode(arguments))


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
