"""The code location's repository: the whole graph for the UI, one collection's part for a run worker."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol

import dagster as dg

from mixpeek_dagster.catalog.records import Bucket, Namespace
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.arrivals import arrivals_sensor, batch_job
from mixpeek_dagster.graph.blobs import blobs_asset
from mixpeek_dagster.graph.collection import Compilable, collection_job, compile_collection
from mixpeek_dagster.graph.frames_io import FramesIOManager
from mixpeek_dagster.graph.handles_io import HandlesIOManager
from mixpeek_dagster.graph.resource import StoresResource
from mixpeek_dagster.graph.spool_io import SpoolIOManager
from mixpeek_dagster.graph.step_jobs import step_executor
from mixpeek_dagster.rows.spool import HANDLES
from mixpeek_dagster.settings import Settings

REPOSITORY_NAME = "mixpeek"


class DefinitionsSource(Protocol):
    """Where the repository reads what to compile."""

    def buckets(self) -> Sequence[tuple[Namespace, Bucket]]:
        """Pairs, since an asset is named after both."""
        ...

    def collections(self) -> Sequence[Compilable]:
        """Those that are enabled, with their plugins loaded."""
        ...

    def collection(self, job_name: str) -> Compilable | None:
        """The collection whose job has this name, without reading the others."""
        ...

    def bucket(self, job_name: str) -> Sequence[Compilable]:
        """The collections of the bucket whose batch job has this name, without reading the others."""
        ...


class CollectionsRepository(dg.RepositoryData):
    """Collections as Dagster definitions, made when asked for.

    A run worker asks for one job by name and gets a repository of that collection alone, so its start does not
    depend on how many collections there are. The UI asks for everything.
    """

    def __init__(self, source: DefinitionsSource, settings: Settings) -> None:
        self._source = source
        self._settings = settings
        self._single: dict[str, dg.JobDefinition] = {}

    def get_job(self, job_name: str) -> dg.JobDefinition:
        """A collection's job by name, or one of the whole graph's jobs."""
        if job_name not in self._single:
            job = self._only(job_name)
            if job is None:
                return self._everything.get_job(job_name)
            self._single[job_name] = job
        return self._single[job_name]

    def has_job(self, job_name: str) -> bool:
        """Whether there is such a job."""
        return job_name in self._single or job_name in self.get_job_names()

    def get_job_names(self) -> Sequence[str]:
        return [job.name for job in self.get_all_jobs()]

    def get_all_jobs(self) -> Sequence[dg.JobDefinition]:
        """One job per collection, two per bucket, and Dagster's own asset job."""
        with _objects_that_stay():
            return [*self._collection_jobs, *self._everything.get_all_jobs()]

    def get_top_level_resources(self) -> Mapping[str, dg.ResourceDefinition]:
        """Resources shown in the UI."""
        return self._everything.get_top_level_resources()

    def get_env_vars_by_top_level_resource(self) -> Mapping[str, AbstractSet[str]]:
        """None: resources read their settings when a run starts."""
        return {}

    def get_all_sensors(self) -> Sequence[dg.SensorDefinition]:
        """Sensors of the whole graph."""
        return self._everything.sensor_defs

    def get_all_schedules(self) -> Sequence[dg.ScheduleDefinition]:
        """Schedules of the whole graph."""
        return self._everything.schedule_defs

    def get_source_assets_by_key(self) -> Mapping[dg.AssetKey, dg.SourceAsset]:
        """None: every asset is made here."""
        return self._everything.source_assets_by_key

    def get_assets_defs_by_key(self) -> Mapping[dg.AssetKey, dg.AssetsDefinition]:
        return self._everything.assets_defs_by_key

    def get_asset_checks_defs_by_key(self) -> Mapping[dg.AssetCheckKey, dg.AssetChecksDefinition]:
        """None: checks are part of the assets that they check."""
        return {}

    @cached_property
    def _compiled(self) -> list[tuple[Compilable, list[dg.AssetsDefinition]]]:
        return [(item, compile_collection(item)) for item in self._source.collections()]

    @cached_property
    def _blobs(self) -> dict[dg.AssetKey, dg.AssetsDefinition]:
        assets = [blobs_asset(namespace, bucket) for namespace, bucket in self._source.buckets()]
        return {asset.key: asset for asset in assets}

    @cached_property
    def _everything(self) -> dg.RepositoryDefinition:
        assets = [*self._blobs.values(), *(asset for _, made in self._compiled for asset in made)]
        jobs, sensors = [], []
        for namespace, bucket in self._source.buckets():
            jobs.append(_bucket_job(namespace, bucket))
            fed = [item for item, _ in self._compiled if item.bucket.bucket_id == bucket.bucket_id]
            if fed:
                jobs.append(batch_job(namespace, bucket, fed))
            if fed and bucket.sync is not None and bucket.sync.enabled:
                sensors.append(arrivals_sensor(namespace, bucket, fed))
        return definitions(assets, jobs, self._settings, sensors).get_repository_def()

    @cached_property
    def _collection_jobs(self) -> list[dg.JobDefinition]:
        blobs = self._blobs
        return [
            self._job(item, blobs[names.blobs_key(item.namespace.address, item.bucket.bucket_name)], made)
            for item, made in self._compiled
        ]

    def _only(self, job_name: str) -> dg.JobDefinition | None:
        """A job without the graph of all the others; None if it is no collection's and no bucket's."""
        item = self._source.collection(job_name)
        if item is not None:
            return self._job(item, blobs_asset(item.namespace, item.bucket), compile_collection(item))
        items = self._source.bucket(job_name)
        if not items:
            return None
        namespace, bucket = items[0].namespace, items[0].bucket
        assets = [blobs_asset(namespace, bucket), *(asset for one in items for asset in compile_collection(one))]
        job = batch_job(namespace, bucket, items)
        return definitions(assets, [job], self._settings).get_repository_def().get_job(job.name)

    def _job(self, item: Compilable, blobs: dg.AssetsDefinition, made: list[dg.AssetsDefinition]) -> dg.JobDefinition:
        # Resolved against its own three assets: against all of them, a thousand jobs would cost a million look-ups.
        job = collection_job(item)
        return definitions([blobs, *made], [job], self._settings).get_repository_def().get_job(job.name)


def definitions(
    assets: Sequence[dg.AssetsDefinition],
    jobs: Sequence[dg.UnresolvedAssetJobDefinition],
    settings: Settings,
    sensors: Sequence[dg.SensorDefinition] = (),
) -> dg.Definitions:
    """Assets and jobs with the resources they need.

    Steps run in the run worker's own process, or each as a job of a Ray cluster if that is where they are to run.
    """
    resources = _resources(None if settings.ray_address else str(settings.spool_path / HANDLES))
    executor = step_executor(settings)
    return dg.Definitions(assets=assets, jobs=jobs, sensors=sensors, resources=resources, executor=executor)


@contextmanager
def _objects_that_stay() -> Iterator[None]:
    """Spare the garbage collector a million objects that live as long as the process: a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if collecting:
            gc.enable()


@functools.cache
def _resources(handles: str | None) -> dict[str, Any]:
    # The same objects each time: Dagster refuses to merge definitions that bring different ones of one name.
    stores = StoresResource()
    return {
        names.STORES: stores,
        names.FRAMES_IO: FramesIOManager(stores=stores),
        names.SPOOL_IO: HandlesIOManager(base_dir=handles) if handles else SpoolIOManager(stores=stores),
    }


def _bucket_job(namespace: Namespace, bucket: Bucket) -> dg.UnresolvedAssetJobDefinition:
    key = names.blobs_key(namespace.address, bucket.bucket_name)
    return dg.define_asset_job(
        names.bucket_job_name(namespace.address, bucket.bucket_name),
        selection=dg.AssetSelection.assets(key),
        description=f"Read one batch of {bucket.bucket_name}.",
    )
