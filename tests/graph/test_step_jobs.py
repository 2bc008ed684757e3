"""Where ops run, and what travels with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from mixpeek_dagster.graph.step_jobs import step_executor
from mixpeek_dagster.graph.steps import keep_op, select_op, step_op
from mixpeek_dagster.plugins.pipeline import ResourceType, StepDefinition, as_step
from mixpeek_dagster.settings import Reader, Settings

DOCS = Path(__file__).parents[2] / "docs" / "kubernetes"


def _settings(**values: Any) -> Settings:
    return Settings.model_validate(values)


@pytest.mark.parametrize("address", [None, "10.0.0.1:6379"])
def test_steps_stay_in_the_runs_process_unless_the_cluster_takes_jobs(address: str | None) -> None:
    assert step_executor(_settings(ray_address=address)) is dg.in_process_executor


def test_a_cluster_that_takes_jobs_gets_each_step_as_one() -> None:
    settings = _settings(ray_address="http://head:8265")
    assert step_executor(settings).name == "ray_jobs"
    assert step_executor(settings) is step_executor(settings)


def test_jobs_are_told_how_to_run_and_no_url_and_no_key() -> None:
    keys = {"qdrant_api_key": "secret", "s3_access_key_id": "secret", "s3_secret_access_key": "secret"}
    urls = {"mongodb_url": "mongodb://u:secret@h", "qdrant_url": "http://secret", "s3_url": "http://secret"}
    given = _settings(ray_address="http://head:8265", chunk_rows=7, api_key="secret", **keys, **urls)
    variables = given.variables(Reader.STEP_JOB)
    assert variables["MIXPEEK_RAY_ADDRESS"] == "http://head:8265"
    assert variables["MIXPEEK_CHUNK_ROWS"] == "7"
    assert not any("secret" in value for value in variables.values())


@pytest.mark.parametrize(
    ("resource", "wanted"),
    [
        (ResourceType.CPU, {"requests": {"cpu": "1"}}),
        (ResourceType.API, {"requests": {"cpu": "250m"}}),
        (ResourceType.GPU, {"requests": {"cpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}),
    ],
)
def test_a_steps_pod_gets_what_its_kind_needs(resource: ResourceType, wanted: dict[str, Any]) -> None:
    op = step_op("plugin_1_0_0", as_step(StepDefinition(lambda batch: batch, resource_type=resource)))
    tag = yaml.safe_load(op.tags["dagster-k8s/config"])
    assert tag == {"container_config": {"resources": wanted}}
    assert "dagster-ray/config" not in op.tags


def test_ops_that_work_themselves_claim_a_little_as_jobs() -> None:
    for op in (select_op, keep_op):
        assert yaml.safe_load(op.tags["dagster-ray/config"]) == {"num_cpus": 0.1}


def _documents() -> dict[str, list[Any]]:
    return {path.name: list(yaml.safe_load_all(path.read_text())) for path in DOCS.glob("*.yaml")}


def test_the_example_for_kubernetes_sets_only_settings_that_there_are() -> None:
    plain, keys = _documents()["settings.yaml"]
    known = {f"MIXPEEK_{name.upper()}" for name in Settings.model_fields}
    aws = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert set(plain["data"]) | set(keys["stringData"]) <= known | aws
    values = {**plain["data"], **{name: keys["stringData"][name] for name in {*keys["stringData"]} - aws}}
    settings = _settings(**{name.removeprefix("MIXPEEK_").lower(): value for name, value in values.items()})
    assert step_executor(settings).name == "ray_jobs"
    assert not [name for name in plain["data"] if "KEY" in name or "@" in str(plain["data"][name])]


def test_every_node_of_the_example_has_the_stores_variables() -> None:
    (cluster,) = _documents()["raycluster.yaml"]
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    containers = [one for group in groups for one in group["template"]["spec"]["containers"]]
    assert len(containers) == 3
    for container in containers:
        assert container["envFrom"] == [{"configMapRef": {"name": "mixpeek"}}, {"secretRef": {"name": "mixpeek-keys"}}]
    address = _documents()["settings.yaml"][0]["data"]["MIXPEEK_RAY_ADDRESS"]
    assert address == f"http://{cluster['metadata']['name']}-head-svc:8265"


def test_the_example_of_helm_values_gives_runs_the_same_variables_and_the_token() -> None:
    (values,) = _documents()["values.yaml"]
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    for place in (deployment, launcher):
        assert (place["envConfigMaps"], place["envSecrets"]) == ([{"name": "mixpeek"}], [{"name": "mixpeek-keys"}])
    (cluster,) = _documents()["raycluster.yaml"]
    token = next(one for one in deployment["env"] if one["name"] == "RAY_AUTH_TOKEN")
    assert token["valueFrom"]["secretKeyRef"]["name"] == cluster["metadata"]["name"]
    assert launcher["runK8sConfig"]["containerConfig"]["env"] == deployment["env"]


def test_the_example_keeps_the_limits_of_dagster_yaml() -> None:
    from mixpeek_dagster.dagster_home import runs as launch

    own = yaml.safe_load(launch.DAGSTER_YAML)["concurrency"]["runs"]["tag_concurrency_limits"]
    (values,) = _documents()["values.yaml"]
    config = values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert config["tagConcurrencyLimits"] == own
