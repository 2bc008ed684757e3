"""The actor that runs a step: loads the plugin once, then takes one piece of the rows after the other."""

from __future__ import annotations

import os
import pickle
import secrets
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from typing import Any

import pandas as pd

from mixpeek_dagster.errors import MixpeekError, PipelineError, SettingsError
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.objects.spools import ObjectSpool
from mixpeek_dagster.plugins.assets import drop_assets, keep_assets
from mixpeek_dagster.plugins.pipeline import Step
from mixpeek_dagster.plugins.request import Container
from mixpeek_dagster.rows.codec import decode
from mixpeek_dagster.rows.rows import cut
from mixpeek_dagster.rows.spool import sweep_spools
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.steps.memory import release_unused
from mixpeek_dagster.steps.ray.pieces import Piece
from mixpeek_dagster.steps.ray.work import PartReport, StepWork
from mixpeek_dagster.steps.runner import ChunkReport, ChunkRunner
from mixpeek_dagster.stores import Stores, open_stores


class StepWorker:
    """Called by Ray Data with a table of one row: a piece and its number; by several threads, if it likes.

    Everything is opened with the first piece, so that what goes wrong is the step's clear error and not a dead actor.
    One thread calls the processor; while it does, the others read the next piece and write the last one.

    Args:
        work: what to do.
        threads: of computing libraries, which read it when they are first loaded.
    """

    def __init__(self, work: StepWork, threads: int) -> None:
        # Ray sets it to the CPUs that it was asked for, rounded down.
        os.environ["OMP_NUM_THREADS"] = str(threads)
        self._work = work
        self._stack = ExitStack()
        self._opening = threading.Lock()
        self._processing = ThreadPoolExecutor(1, thread_name_prefix="step")

    def __call__(self, batch: Any) -> Any:
        """A table of one row: the piece's number, and its report or the error, pickled."""
        import pyarrow as pa

        result: PartReport | MixpeekError
        row = batch.to_pylist()[0]
        number = row.pop("number")
        try:
            result = self._run(number, Piece(**row))
        except MixpeekError as error:
            result = error
        return pa.table({"number": [number], "result": pa.array([pickle.dumps(result)], pa.binary())})

    def __del__(self) -> None:
        """Ray Data lets go of the worker when its step is done."""
        self._processing.shutdown(wait=False)
        self._stack.close()

    def _run(self, number: int, piece: Piece) -> PartReport:
        work = self._work
        with self._opening:
            objects = self._stores.objects
        source, target = (ObjectSpool(objects, prefix) for prefix in (work.source, work.target))
        rows = decode(piece.of(source.read(piece.part)))
        out, report = self._processing.submit(self._process, rows).result()
        attempt, parts = secrets.token_hex(4), []
        for place, table in enumerate(cut(out, work.vectors, work.chunk_rows, work.step)):
            parts.append(f"{number:06d}-{place:04d}-{attempt}")
            target.write(parts[-1], table)
        return PartReport(report, tuple(parts))

    def _process(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, ChunkReport]:
        with self._stores.serve_models(self._work.request.namespace_id):
            made = self._runner.run(rows, None)
        release_unused()
        return made

    @cached_property
    def _stores(self) -> Stores:
        settings = Settings.load()
        if missing := settings.embedded_stores:
            fix = "Start Ray on each node with the variables that the run's process has"
            raise SettingsError(f"Ray node {_node()}", why=f"{', '.join(missing)} not set there", fix=fix)
        if settings.s3_bucket != self._work.bucket:
            why = f"MIXPEEK_S3_BUCKET is {settings.s3_bucket!r} there and {self._work.bucket!r} where the run is"
            raise SettingsError(f"Ray node {_node()}", why=why, fix="Start Ray with the same value")
        return self._stack.enter_context(open_stores(settings))

    @cached_property
    def _runner(self) -> ChunkRunner:
        work, settings = self._work, self._stores.settings
        use_cache(settings.models_path, settings.models_folder)
        sweep_spools(settings.spool_path)
        assets = keep_assets(settings.spool_path / work.run_id / f"assets-{os.getpid()}", work.asset_cache_bytes)
        self._stack.callback(drop_assets)
        runner = ChunkRunner(self._step(), work.batch_size, work.vectors, work.position_fields, coming=assets.expect)
        return self._stack.enter_context(runner)

    def _step(self) -> Step:
        work = self._work
        plugin = self._stores.plugins.load(work.plugin)
        built = plugin.build_steps(work.request, Container(), dataset_size=work.dataset_size)
        for step in built.steps:
            if step.name == work.step:
                return step
        names = ", ".join(step.name for step in built.steps)
        why = f"build_steps gives {names} on node {_node()}"
        raise PipelineError(f"step {work.step!r} of plugin {plugin.spec.plugin_id!r}", why=why)


def _node() -> str:
    return socket.gethostname()
