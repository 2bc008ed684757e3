"""Clients in the code location come from dagster-aws, and their keys are seen nowhere."""

from __future__ import annotations

import dagster as dg
import pytest

from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.graph.aws import open_stores, queue_client, s3_client
from mixpeek_dagster.graph.catalog_source import CatalogSource
from mixpeek_dagster.graph.repository import CollectionsRepository
from mixpeek_dagster.objects.connection import S3Access
from mixpeek_dagster.private_api.dagster import snapshot
from mixpeek_dagster.settings import Settings
from tests.runs.conftest import World


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_dagster_aws_makes_clients_of_the_user_s_own_server(embedded: EmbeddedStores, world: World, host: str) -> None:
    """By name as by number: nobody's DNS has an entry for each bucket."""
    url = embedded.s3_url.replace("127.0.0.1", host)
    access = S3Access(url, "us-east-1", embedded.s3_access_key_id, embedded.s3_secret_access_key)
    world.stores.objects.put("from/aws.txt", b"hello")

    found = s3_client(access).get_object(Bucket=world.settings.s3_bucket, Key="from/aws.txt")

    assert found["Body"].read() == b"hello"


def test_the_code_location_s_stores_take_their_clients_from_it(world: World) -> None:
    with open_stores(world.settings) as stores:
        assert stores.s3_client is s3_client
        stores.objects.put("listed/a.txt", b"a")
        page = stores.objects.list_page(world.settings.s3_bucket, "listed/", None)
    assert [(key, size) for key, _, size in page.items] == [("listed/a.txt", 1)]


def test_sqs_is_asked_at_the_endpoint_of_the_settings() -> None:
    settings = Settings(sqs_url="http://127.0.0.1:1/queues", s3_region="eu-central-1")
    client = queue_client(settings)
    assert (client.meta.endpoint_url, client.meta.region_name) == ("http://127.0.0.1:1/queues", "eu-central-1")


def test_no_key_is_in_what_the_ui_is_sent(world: World) -> None:
    world.collection(world.plugin())
    settings = world.settings.model_copy(update={"sqs_url": "http://127.0.0.1:1"})
    assert settings.s3_access_key_id is not None
    assert settings.s3_secret_access_key is not None
    repository = dg.RepositoryDefinition("r", repository_data=CollectionsRepository(CatalogSource(settings), settings))

    sent = dg.serialize_value(snapshot(repository))
    jobs = "".join(dg.serialize_value(job.get_job_snapshot()) for job in repository.get_all_jobs())

    for secret in (settings.s3_access_key_id, settings.s3_secret_access_key):
        assert secret.get_secret_value() not in sent + jobs
