"""What steps print, kept in S3 as the documentation has it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from mixpeek_dagster.dagster_home.runs import open_instance
from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.objects.connection import S3Access, ensure_bucket
from mixpeek_dagster.settings import Settings

_DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def settings(embedded: EmbeddedStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home whose S3 is a server of the user's, with the variables that the documentation names."""
    key, secret = embedded.s3_access_key_id, embedded.s3_secret_access_key
    bucket = f"b{secrets.token_hex(6)}"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.get_secret_value())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret.get_secret_value())
    monkeypatch.setenv("MIXPEEK_S3_URL", embedded.s3_url)
    monkeypatch.setenv("MIXPEEK_S3_BUCKET", bucket)
    found = Settings(
        home=tmp_path / "home",
        s3_url=embedded.s3_url,
        s3_bucket=bucket,
        s3_access_key_id=key,
        s3_secret_access_key=secret,
    )
    ensure_bucket(S3Access.of(found), bucket)
    return found


def guide_example() -> dict[str, Any]:
    """The section of dagster.yaml in the operating guide."""
    text = (_DOCS / "operating.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^ *```yaml\n(.*?S3ComputeLogManager.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    section: dict[str, Any] = yaml.safe_load(block)["compute_logs"]
    return section


def helm_example() -> dict[str, Any]:
    """The same out of the values for Helm, as Dagster's chart writes it into dagster.yaml, at this server."""
    manager = yaml.safe_load((_DOCS / "kubernetes" / "values.yaml").read_text(encoding="utf-8"))["computeLogManager"]
    given = manager["config"]["s3ComputeLogManager"]
    config = {re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name): value for name, value in given.items()}
    own = {"bucket": {"env": "MIXPEEK_S3_BUCKET"}, "endpoint_url": {"env": "MIXPEEK_S3_URL"}}
    return {
        "module": "dagster_aws.s3.compute_log_manager",
        "class": manager["type"],
        "config": {**config, **own},
    }


@pytest.fixture(params=[guide_example, helm_example])
def instance(request: pytest.FixtureRequest, settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance of a home, with the example's section in its dagster.yaml."""
    with open_instance(settings):
        pass
    config = settings.dagster_home / "dagster.yaml"
    written = config.read_text(encoding="utf-8") + yaml.safe_dump({"compute_logs": request.param()})
    config.write_text(written, encoding="utf-8")
    with open_instance(settings) as instance:
        assert config.read_text(encoding="utf-8") == written, "what the user has changed stays"
        yield instance


def test_what_a_step_prints_is_in_s3(instance: dg.DagsterInstance, settings: Settings) -> None:
    @dg.op
    def talk() -> None:
        print("seven swans")

    job = dg.GraphDefinition("talking", node_defs=[talk]).to_job(executor_def=dg.in_process_executor)

    result = job.execute_in_process(instance=instance)

    client = S3Access.of(settings).client()
    listed = client.list_objects_v2(Bucket=settings.s3_bucket, Prefix=f"_logs/storage/{result.run_id}/")["Contents"]
    (printed,) = [item["Key"] for item in listed if item["Key"].endswith(".out")]
    assert b"seven swans" in client.get_object(Bucket=settings.s3_bucket, Key=printed)["Body"].read()
