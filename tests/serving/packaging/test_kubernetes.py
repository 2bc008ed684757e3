"""The manifests of an endpoint: valid for Kubernetes, and as closed as they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.settings import Settings
from serving.packaging.kubernetes import GATEWAY, ReplicaNeeds, manifests

PLAIN = ReplicaNeeds()
LARGE = ReplicaNeeds(cpus=8, memory="32Gi", gpus=2, replicas=2, most_replicas=6, models_claim="models")


def made(needs: ReplicaNeeds = PLAIN, name: str = "my_extractor", **values: Any) -> dict[str, dict[str, Any]]:
    """The manifests by kind."""
    settings = Settings.model_validate(values)
    found = manifests(name, "1.0.0", "registry.example.com/my_extractor:1", needs, settings)
    return {manifest["kind"]: manifest for manifest in found}


def container(needs: ReplicaNeeds = PLAIN, **values: Any) -> dict[str, Any]:
    (only,) = made(needs, **values)["Deployment"]["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


@pytest.mark.parametrize("version", ["1.29", "1.37"])
@pytest.mark.parametrize("needs", [PLAIN, LARGE], ids=["plain", "large"])
def test_kubernetes_accepts_every_manifest(needs: ReplicaNeeds, version: str) -> None:
    for manifest in made(needs).values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_check_of_these_tests_refuses_what_kubernetes_does() -> None:
    broken = made()["Deployment"]
    broken["spec"]["template"]["spec"]["containers"][0]["memory"] = "4Gi"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.37", strict=True)


def test_an_autoscaler_is_there_only_if_replicas_may_grow() -> None:
    assert set(made()) == {"Deployment", "Service", "NetworkPolicy"}
    assert made()["Deployment"]["spec"]["replicas"] == 1
    large = made(LARGE)
    spec = large["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    assert spec["scaleTargetRef"]["name"] == large["Deployment"]["metadata"]["name"]
    assert "replicas" not in large["Deployment"]["spec"]


def test_a_new_image_never_takes_a_replica_away_before_another_is_ready() -> None:
    spec = made()["Deployment"]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert container()["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container()["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container()["startupProbe"]["failureThreshold"] * container()["startupProbe"]["periodSeconds"] >= 300


def test_a_request_may_finish_before_its_replica_ends() -> None:
    pod = made(inference_seconds=90)["Deployment"]["spec"]["template"]["spec"]
    waits = int(container()["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= 90 + waits


def test_a_pod_has_no_account_no_root_and_nothing_to_write_on_but_its_own() -> None:
    pod = made()["Deployment"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    context = container()["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert {mount["mountPath"] for mount in container()["volumeMounts"]} == {"/var/lib/mixpeek", "/tmp"}


def test_its_environment_is_its_own() -> None:
    keys: dict[str, Any] = {
        "qdrant_api_key": "secret",
        "s3_secret_access_key": "secret",
        "mongodb_url": "mongodb://u:secret@h",
    }
    only = container(inference_queue=7, **keys)
    variables = {entry["name"]: entry["value"] for entry in only["env"]}
    assert variables["MIXPEEK_INFERENCE_QUEUE"] == "7"
    assert variables["OMP_NUM_THREADS"] == "2"
    assert "secret" not in str(only)
    assert "envFrom" not in only


def test_limits_and_gpus_and_the_model_store_are_asked_for() -> None:
    only = container(LARGE)
    assert only["resources"]["limits"] == {"memory": "32Gi", "nvidia.com/gpu": "2"}
    assert only["resources"]["requests"] == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"}
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in only["volumeMounts"]
    assert {"name": "MIXPEEK_MODELS", "value": "/models"} in only["env"]


def test_service_policy_and_deployment_mean_the_same_pods() -> None:
    found = made()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert found["Service"]["metadata"]["annotations"]["mixpeek.com/route"] == "/my_extractor/1_0_0"
    (rule,) = found["NetworkPolicy"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": GATEWAY}}]


def test_what_kubernetes_cannot_have_is_one_clear_error() -> None:
    with pytest.raises(InvalidRequest, match="63"):
        made(name="a" * 60)
    with pytest.raises(InvalidRequest, match="--max-replicas"):
        made(replace(LARGE, most_replicas=1))
