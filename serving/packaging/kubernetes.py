"""A plugin's realtime endpoint on Kubernetes: manifests around an image that `bentoml containerize` has made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixpeek_dagster import ids
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.settings import Reader, Settings

GATEWAY = {"app.kubernetes.io/part-of": "mixpeek", "app.kubernetes.io/component": "gateway"}
"""Labels of the pods that may call the endpoints, which check no keys themselves."""

_LONGEST_NAME = 63
_PORT = 3000
# The user of images that BentoML makes.
_USER = 1034
_LOAD_SECONDS = 300
_PROBE_SECONDS = 5
# The endpoint is taken out of the Service while it still answers, so that no request meets a closed port.
_LEAVE_SECONDS = 10
_SLACK_SECONDS = 10
_HOME, _MODELS = "/var/lib/mixpeek", "/models"


@dataclass(frozen=True)
class ReplicaNeeds:
    """What one replica gets, and how many there are.

    Args:
        cpus: CPUs, also the threads it computes with.
        memory: as Kubernetes writes it, such as `4Gi`.
        gpus: NVIDIA GPUs.
        replicas: at least so many.
        most_replicas: more are started up to this when they are busy; None = no more.
        models_claim: PersistentVolumeClaim with the model store; None = models come from the hub.
    """

    cpus: int = 2
    memory: str = "4Gi"
    gpus: int = 0
    replicas: int = 1
    most_replicas: int | None = None
    models_claim: str | None = None


def manifests(name: str, version: str, image: str, needs: ReplicaNeeds, settings: Settings) -> list[dict[str, Any]]:
    """Deployment, Service and NetworkPolicy of a plugin, and a HorizontalPodAutoscaler if it may grow.

    Raises:
        InvalidRequest: the plugin's name is too long for Kubernetes, or it may have fewer replicas than it must.
    """
    if needs.most_replicas is not None and needs.most_replicas < needs.replicas:
        why = f"{needs.most_replicas} replicas at most, {needs.replicas} at least"
        raise InvalidRequest("replicas", why=why, fix="Give --max-replicas a larger number")
    label = ids.plugin_id(name, version).lower().replace("_", "-")
    if len(label) > _LONGEST_NAME:
        why = f"{label!r} has {len(label)} characters, Kubernetes allows {_LONGEST_NAME}"
        raise InvalidRequest(f"plugin {name!r}", why=why, fix="Give it a shorter name")
    labels = {
        "app.kubernetes.io/name": label,
        "app.kubernetes.io/part-of": "mixpeek",
        "app.kubernetes.io/component": "realtime",
        "app.kubernetes.io/version": version,
    }
    about = {"mixpeek.com/plugin": ids.plugin_id(name, version), "mixpeek.com/route": ids.route(name, version)}
    common = {"name": label, "labels": labels, "annotations": about}
    selector = {"app.kubernetes.io/name": label}
    made = [
        _deployment(common, selector, image, needs, settings),
        _service(common, selector),
        _network_policy(common, selector),
    ]
    return [*made, _autoscaler(common, needs)] if needs.most_replicas is not None else made


def _deployment(
    common: Mapping[str, Any], selector: Mapping[str, str], image: str, needs: ReplicaNeeds, settings: Settings
) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": dict(common),
        "spec": {
            # An autoscaler's number would be overwritten with each `kubectl apply`.
            **({} if needs.most_replicas is not None else {"replicas": needs.replicas}),
            "selector": {"matchLabels": dict(selector)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "progressDeadlineSeconds": 2 * _LOAD_SECONDS,
            "template": {
                "metadata": {"labels": common["labels"], "annotations": common["annotations"]},
                "spec": _pod(image, needs, settings),
            },
        },
    }


def _pod(image: str, needs: ReplicaNeeds, settings: Settings) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [{"name": "home", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    if needs.models_claim:
        claim = {"claimName": needs.models_claim, "readOnly": True}
        volumes.append({"name": "models", "persistentVolumeClaim": claim})
    return {
        "automountServiceAccountToken": False,
        # The addresses of other Services are none of a plugin's business.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": int(settings.inference_seconds) + _LEAVE_SECONDS + _SLACK_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(image, needs, settings)],
        "volumes": volumes,
    }


def _container(image: str, needs: ReplicaNeeds, settings: Settings) -> dict[str, Any]:
    sizes = {"cpu": str(needs.cpus), "memory": needs.memory}
    gpus = {"nvidia.com/gpu": str(needs.gpus)} if needs.gpus else {}
    mounts: list[dict[str, Any]] = [{"name": "home", "mountPath": _HOME}, {"name": "tmp", "mountPath": "/tmp"}]
    if needs.models_claim:
        mounts.append({"name": "models", "mountPath": _MODELS, "readOnly": True})
    return {
        "name": "realtime",
        "image": image,
        "ports": [{"name": "http", "containerPort": _PORT}],
        "env": [{"name": name, "value": value} for name, value in _variables(needs, settings).items()],
        # CPUs may be had beyond what was asked for; memory may not.
        "resources": {"requests": {**sizes, **gpus}, "limits": {"memory": needs.memory, **gpus}},
        "startupProbe": _probe("/readyz", _PROBE_SECONDS, _LOAD_SECONDS // _PROBE_SECONDS),
        "readinessProbe": _probe("/readyz", _PROBE_SECONDS, 1),
        "livenessProbe": _probe("/healthz", 2 * _PROBE_SECONDS, 6),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_LEAVE_SECONDS)]}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _variables(needs: ReplicaNeeds, settings: Settings) -> dict[str, str]:
    """All of its environment: what any service reads, and folders; no keys and no URLs of stores."""
    models = {"MIXPEEK_MODELS": _MODELS} if needs.models_claim else {}
    return {
        "HOME": _HOME,
        "MIXPEEK_HOME": _HOME,
        "HF_HOME": f"{_HOME}/huggingface",
        "BENTOML_HOME": f"{_HOME}/bentoml",
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": str(needs.cpus),
        **settings.variables(Reader.SERVICE),
        "MIXPEEK_INFERENCE_THREADS": str(needs.cpus),
        **models,
    }


def _probe(path: str, seconds: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": seconds,
        "timeoutSeconds": seconds,
        "failureThreshold": failures,
    }


def _service(common: Mapping[str, Any], selector: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": dict(common),
        "spec": {"selector": dict(selector), "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }


def _network_policy(common: Mapping[str, Any], selector: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": dict(common),
        "spec": {
            "podSelector": {"matchLabels": dict(selector)},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": GATEWAY}}], "ports": [{"port": "http"}]}],
        },
    }


def _autoscaler(common: Mapping[str, Any], needs: ReplicaNeeds) -> dict[str, Any]:
    busy = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": dict(common),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": common["name"]},
            "minReplicas": needs.replicas,
            "maxReplicas": needs.most_replicas,
            "metrics": [busy],
        },
    }
