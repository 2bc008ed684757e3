"""Whole jobs against other engines, and the memory of a large one."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from qdrant_client import QdrantClient, models

from bench.peer_environments import Unavailable, peer_python
from bench.processes import Result, in_turn, run_variant
from bench.ray_cluster import ray_cluster
from bench.report import Figure
from bench.services import PEERS, VARIANTS, texts_of
from bench.sizes import Run
from mixpeek_dagster.stores import open_stores

_UNTRACKED = {"DO_NOT_TRACK": "1", "COCOINDEX_DISABLE_USAGE_TRACKING": "1"}
_JOB = "files to points in Qdrant, loading of the model included"


def ray_script(run: Run) -> list[Figure]:
    """Ours against a hand-written Ray Data script, with all cores for torch and as Ray leaves it."""
    folder = texts_of(run, run.texts)
    ratios = {}
    with open_stores(run.settings) as stores:
        url = stores.urls()["qdrant"]
        for threads in (_cores(), 0):

            def ours(number: int, threads: int = threads) -> Result:
                return _ours(folder, f"ray{threads}_{number}")

            def script(_: int, threads: int = threads) -> Result:
                return _peer("ray_data_script", folder, url, threads)

            pairs = in_turn(run.rounds, ours, script)
            ratios[threads] = [theirs["seconds"] / mine["seconds"] for mine, theirs in pairs]
    cores, documented = ratios[_cores()], ratios[0]
    how = f"{_JOB}; an actor of one CPU, with the one thread that Ray gives it; pairs: {_list(documented)}"
    return [
        Figure("job_vs_ray_data_script", statistics.median(documented), 2.5, "at least", how),
        Figure(
            "job_vs_ray_data_script_all_cores",
            statistics.median(cores),
            note=f"torch with {_cores()} threads in the actor; pairs: {_list(cores)}",
        ),
    ]


def cocoindex(run: Run) -> list[Figure]:
    """Ours against CocoIndex 1."""
    return _engine(run, "cocoindex", "cocoindex_flow")


def daft(run: Run) -> list[Figure]:
    """Ours against Daft."""
    return _engine(run, "daft", "daft_script")


def ray_backend(run: Run) -> list[Figure]:
    """Our Ray backend against a hand-written Ray Data job around the same service, on one cluster."""
    folder = texts_of(run, run.ray_rows)
    with open_stores(run.settings) as stores, ray_cluster(run.home / "ray.log", stores.environment()) as address:
        url = stores.urls()["qdrant"]
        pairs = in_turn(
            run.rounds,
            lambda number: _ours(folder, f"on_ray_{number}", {"MIXPEEK_RAY_ADDRESS": address}),
            lambda _: _peer("ray_data_service", folder, url, address, _cores()),
        )
    ratios = [ours["seconds"] / theirs["seconds"] for ours, theirs in pairs]
    how = f"{run.ray_rows} texts, the same service and cluster; pairs: {_list(ratios)}"
    return [Figure("ray_backend_vs_ray_data", statistics.median(ratios), 1.10, note=how)]


def memory(run: Run) -> list[Figure]:
    """Peak memory of a run over many rows of wide vectors."""
    few, many = (run_variant(VARIANTS / "many_rows.py", rows)["peak_mb"] for rows in (run.rows // 10, run.rows))
    return [
        Figure("peak_mb_few_rows", few, note=f"{run.rows // 10} rows of 1,024-d"),
        Figure("peak_mb_many_rows", many, 1536, note=f"{run.rows} rows of 1,024-d"),
        Figure("peak_mb_ratio", many / few, 1.3, note="ten times the rows"),
    ]


def _engine(run: Run, name: str, script: str) -> list[Figure]:
    try:
        python = peer_python(name, run.environments)
    except Unavailable as reason:
        print(f"{name}: left out, {reason}")
        return []
    folder = texts_of(run, run.texts)
    with open_stores(run.settings) as stores:
        url = stores.urls()["qdrant"]
        pairs = in_turn(
            run.rounds,
            lambda number: _ours(folder, f"{name}_{number}"),
            lambda _: _peer(script, folder, url, _cores(), python=python),
        )
    ratios = [theirs["seconds"] / ours["seconds"] for ours, theirs in pairs]
    return [
        Figure(f"{name}_seconds", statistics.median(theirs["seconds"] for _, theirs in pairs), note=_JOB),
        Figure(f"job_vs_{name}", statistics.median(ratios), 1.5, "at least", f"pairs: {_list(ratios)}"),
    ]


def _ours(folder: Path, label: str, environment: Mapping[str, str] | None = None) -> Result:
    result = run_variant(VARIANTS / "collection_run.py", folder, label, environment=environment)
    _require_all(folder, result["written"], "collection_run")
    return result


def _peer(script: str, folder: Path, url: str, *arguments: object, python: Path = Path(sys.executable)) -> Result:
    """Run a peer on a Qdrant collection of its own, and see that it wrote a point for each file."""
    with _collection(url, made_by_peer=script == "cocoindex_flow") as (client, name):
        words = (folder, url, name, *arguments)
        result = run_variant(PEERS / f"{script}.py", *words, python=(str(python),), environment=_UNTRACKED)
        _require_all(folder, client.count(name, exact=True).count, script)
    return result


@contextmanager
def _collection(url: str, *, made_by_peer: bool) -> Iterator[tuple[QdrantClient, str]]:
    client, name = QdrantClient(url=url, timeout=120), f"bench_{time.time_ns()}"
    if not made_by_peer:
        client.create_collection(name, models.VectorParams(size=384, distance=models.Distance.COSINE))
    try:
        yield client, name
    finally:
        client.delete_collection(name)
        client.close()


def _require_all(folder: Path, written: int, who: str) -> None:
    wanted = len(list(folder.glob("*.txt")))
    if written != wanted:
        raise SystemExit(f"{who} left {written} points in Qdrant, {wanted} texts went in")


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
