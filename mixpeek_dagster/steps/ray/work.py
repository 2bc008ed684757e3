"""What travels between the process that drives a step and the workers that run it; nothing in it is secret."""

from __future__ import annotations

from dataclasses import dataclass

from mixpeek_dagster.catalog.records import PluginReference
from mixpeek_dagster.plugins.request import ExtractorRequest
from mixpeek_dagster.steps.runner import ChunkReport


@dataclass(frozen=True)
class StepWork:
    """A step as a worker on another machine can run it.

    Args:
        plugin: the plugin's archive in S3; its code hash names the code.
        request: what `build_steps` is called with.
        dataset_size: how many objects the batch has.
        step: name of the step.
        run_id: the run, which names the folder of the files that the step opens.
        bucket: the S3 bucket that rows and plugin are in.
        source: prefix of the rows that go in.
        target: prefix of those that come out.
        vectors: columns that hold vectors.
        batch_size: rows that the processor sees at a time.
        chunk_rows: rows of a part at most.
        position_fields: columns that tell apart the rows a step makes of one.
        asset_cache_bytes: of the files that a worker keeps.
    """

    plugin: PluginReference
    request: ExtractorRequest
    dataset_size: int
    step: str
    run_id: str
    bucket: str
    source: str
    target: str
    vectors: frozenset[str]
    batch_size: int
    chunk_rows: int
    position_fields: tuple[str, ...]
    asset_cache_bytes: int


@dataclass(frozen=True)
class PartReport:
    """What became of one piece: what the step did, and the parts that came out, in order.

    The parts' names are those of one attempt. Of a piece that was tried twice, because a worker died or was cut off,
    exactly one attempt's parts are ever read.
    """

    chunk: ChunkReport
    parts: tuple[str, ...]
