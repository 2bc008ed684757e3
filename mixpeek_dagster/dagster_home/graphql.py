"""Asking a running Dagster over GraphQL: reload the code location, launch a run, say how it stands.

Nothing here imports Dagster, so that the API and the command can ask without paying for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from mixpeek_dagster.dagster_home.outcome import CheckOutcome, RunOutcome
from mixpeek_dagster.errors import NotFound, ServingError
from mixpeek_dagster.processes.up_lock import read_up
from mixpeek_dagster.settings import Settings

LOCATION = "mixpeek"
PARTITION_TAG = "dagster/partition"
_SECONDS = 60.0
_EVENTS = 1000
_ENDED = {"SUCCESS": True, "FAILURE": False, "CANCELED": False}

_RELOAD = """mutation Reload($name: String!) {
  reloadRepositoryLocation(repositoryLocationName: $name) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
    ... on UnauthorizedError { message }
    ... on ReloadNotSupported { message }
    ... on RepositoryLocationNotFound { message }
  }
}"""

_STATE = """{ workspaceOrError { ... on Workspace { locationEntries {
  loadStatus locationOrLoadError { __typename ... on PythonError { message } }
} } } }"""

_ADD_PARTITION = """mutation Add($repository: RepositorySelector!, $name: String!, $key: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: $name, partitionKey: $key) {
    __typename
    ... on UnauthorizedError { message }
    ... on PythonError { message }
  }
}"""

_KEPT = """query Kept($asset: AssetKeyInput!, $partition: String!) {
  assetNodeOrError(assetKey: $asset) {
    ... on AssetNode { assetMaterializations(partitions: [$partition], limit: 1) { runId } }
  }
}"""

_LAUNCH = """mutation Launch($wanted: ExecutionParams!) {
  launchRun(executionParams: $wanted) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PipelineNotFoundError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on InvalidSubsetError { message }
    ... on UnauthorizedError { message }
    ... on PythonError { message }
  }
}"""

_RUN = """query Run($run: ID!, $after: String, $limit: Int!) {
  runOrError(runId: $run) { __typename ... on Run { status tags { key value } } }
  logsForRun(runId: $run, afterCursor: $after, limit: $limit) {
    ... on EventConnection {
      cursor hasMore
      events {
        __typename
        ... on AssetCheckEvaluationEvent { evaluation { checkName success severity description } }
        ... on ExecutionStepFailureEvent { stepKey error { message } failureMetadata { description } }
        ... on RunFailureEvent { error { message } }
      }
    }
  }
}"""


@dataclass(frozen=True)
class Launch:
    """A run to launch.

    Args:
        job: its name in the code location.
        partition: of which partition.
        partitions: name of the dynamic partitions that it belongs to.
        assets: keys of the assets that it makes, each a list of names.
        config: run config.
    """

    job: str
    partition: str
    partitions: str
    assets: Sequence[Sequence[str]]
    config: Mapping[str, Any]


def ui_url(settings: Settings) -> str | None:
    """Where Dagster answers: at the settings' URL, or that of the `mixpeek up` on this home folder."""
    url: str | None = settings.dagster_url or read_up(settings.home_path).get("dagster")
    return url.rstrip("/") if url else None


def location_problem(url: str) -> str | None:
    """Why the code location does not load; None if it does.

    Raises:
        ServingError: Dagster does not answer.
    """
    entry = _ask(url, _STATE, {})["workspaceOrError"]["locationEntries"][0]
    return (entry["locationOrLoadError"] or {}).get("message")


def reload_location(url: str) -> None:
    """Make a running Dagster see what the catalog holds now.

    Raises:
        ServingError: it does not answer, or the code location does not load.
    """
    result = _ask(url, _RELOAD, {"name": LOCATION})["reloadRepositoryLocation"]
    problem = result.get("message") or (result.get("locationOrLoadError") or {}).get("message")
    if problem:
        raise ServingError(f"reload of the Dagster UI at {url}", why=problem)


def is_materialized(url: str, asset: Sequence[str], partition: str) -> bool:
    """Whether an asset has been made of a partition.

    Raises:
        ServingError: Dagster does not answer.
    """
    found = _ask(url, _KEPT, {"asset": {"path": list(asset)}, "partition": partition})["assetNodeOrError"]
    return bool(found.get("assetMaterializations"))


def launch(url: str, repository: str, wanted: Launch) -> str:
    """Launch a run; the code location is loaded anew if it does not know the job or its partitions yet.

    Returns:
        The run's id.

    Raises:
        ServingError: Dagster does not answer or refuses the run.
    """
    if _try_partition(url, repository, wanted) is not None:
        reload_location(url)
        if problem := _try_partition(url, repository, wanted):
            raise ServingError(f"partition {wanted.partition!r}", why=problem)
    result = _try_launch(url, repository, wanted)
    if result["__typename"] == "PipelineNotFoundError":
        reload_location(url)
        result = _try_launch(url, repository, wanted)
    if result["__typename"] != "LaunchRunSuccess":
        errors = "; ".join(error["message"] for error in result.get("errors", ()))
        raise ServingError(f"run of job {wanted.job!r}", why=result.get("message") or errors or result["__typename"])
    return str(result["run"]["runId"])


def run_outcome(url: str, run_id: str, partition: str) -> RunOutcome | None:
    """What became of a run of this partition; None while it waits or goes on.

    Raises:
        NotFound: there is no such run.
        ServingError: Dagster does not answer.
    """
    checks: list[CheckOutcome] = []
    errors: list[str] = []
    cursor: str | None = None
    while True:
        reply = _ask(url, _RUN, {"run": run_id, "after": cursor, "limit": _EVENTS})
        run, logs = reply["runOrError"], reply["logsForRun"]
        tags = {tag["key"]: tag["value"] for tag in run.get("tags", ())}
        if run["__typename"] != "Run" or tags.get(PARTITION_TAG) != partition:
            raise NotFound(f"run {run_id!r}", why=f"there is none of batch {partition}")
        success = _ENDED.get(run["status"])
        if success is None:
            return None
        for event in logs["events"]:
            _read(event, checks, errors)
        cursor = logs["cursor"]
        if not logs["hasMore"]:
            break
    if not success and not errors:
        errors.append(f"the run is {run['status']}")
    return RunOutcome(run_id, success, tuple(checks), error="\n".join(errors) if not success else None)


def _read(event: Mapping[str, Any], checks: list[CheckOutcome], errors: list[str]) -> None:
    kind = event["__typename"]
    if kind == "AssetCheckEvaluationEvent":
        found = event["evaluation"]
        checks.append(CheckOutcome(found["checkName"], found["success"], found["severity"], found["description"] or ""))
    elif kind == "ExecutionStepFailureEvent":
        said = (event["failureMetadata"] or {}).get("description")
        message = (event["error"] or {}).get("message", "failed").strip()
        errors.append(said or f"step {event['stepKey']}: {message}")
    elif kind == "RunFailureEvent" and event["error"] and not errors:
        errors.append(event["error"]["message"].strip())


def _try_partition(url: str, repository: str, wanted: Launch) -> str | None:
    """Add the run's partition; why that does not go, or None."""
    variables = {"repository": _selector(repository), "name": wanted.partitions, "key": wanted.partition}
    message: str | None = _ask(url, _ADD_PARTITION, variables)["addDynamicPartition"].get("message")
    return message


def _try_launch(url: str, repository: str, wanted: Launch) -> dict[str, Any]:
    selector = _selector(repository) | {
        "jobName": wanted.job,
        "assetSelection": [{"path": list(path)} for path in wanted.assets],
    }
    tags = [{"key": PARTITION_TAG, "value": wanted.partition}]
    variables = {"selector": selector, "runConfigData": dict(wanted.config), "executionMetadata": {"tags": tags}}
    result: dict[str, Any] = _ask(url, _LAUNCH, {"wanted": variables})["launchRun"]
    return result


def _selector(repository: str) -> dict[str, Any]:
    return {"repositoryName": repository, "repositoryLocationName": LOCATION}


def _ask(url: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = httpx.post(f"{url}/graphql", json={"query": query, "variables": variables}, timeout=_SECONDS)
        reply.raise_for_status()
    except httpx.HTTPError as error:
        raise ServingError(f"the Dagster UI at {url}", why=str(error)) from None
    body = reply.json()
    if body.get("data") is None:
        why = "; ".join(str(error.get("message")) for error in body.get("errors", ())) or "it sent no data"
        raise ServingError(f"the Dagster UI at {url}", why=why)
    data: dict[str, Any] = body["data"]
    return data
