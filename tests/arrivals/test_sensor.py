"""What a bucket's sensor asks Dagster for."""

from __future__ import annotations

import dagster as dg

from mixpeek_dagster.catalog.records import Collection
from mixpeek_dagster.dagster_home.runs import add_batches
from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.catalog_source import CatalogSource
from mixpeek_dagster.graph.repository import CollectionsRepository
from tests.arrivals.conftest import Shore


def evaluate(shore: Shore) -> dg.SensorResult | dg.SkipReason:
    settings = shore.world.settings
    sensors = CollectionsRepository(CatalogSource(settings), settings).get_all_sensors()
    (sensor,) = (item for item in sensors if shore.world.namespace.namespace_name in item.name)
    result = sensor(dg.build_sensor_context(instance=shore.world.instance))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_a_batch_is_a_partition_and_a_run_that_is_asked_for_once(shore: Shore, notes: Collection) -> None:
    shore.sync(priority=7)
    shore.put("a.txt")
    result = evaluate(shore)
    assert isinstance(result, dg.SensorResult)
    assert result.run_requests is not None
    (request,) = result.run_requests
    (batch,) = shore.batches()
    assert (request.partition_key, request.run_key) == (batch.batch_id, f"{batch.batch_id}.1")
    assert request.tags["dagster/priority"] == "7"
    assert [key for added in result.dynamic_partitions_requests or () for key in added.partition_keys] == [
        batch.batch_id
    ]


def test_a_tick_without_work_says_what_it_saw(shore: Shore, notes: Collection) -> None:
    result = evaluate(shore)
    assert isinstance(result, dg.SkipReason)
    assert "0 keys listed, 0 arrived" in (result.skip_message or "")


def test_partitions_are_added_a_few_at_a_time(shore: Shore) -> None:
    wanted = [f"btch_{number:05}" for number in range(1201)]
    add_batches(shore.world.instance, "somewhere", "docs", wanted)
    add_batches(shore.world.instance, "somewhere", "docs", wanted)
    assert len(shore.world.instance.get_dynamic_partitions(names.partitions_name("somewhere", "docs"))) == 1201
