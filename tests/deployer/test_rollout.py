"""From QUEUED to what the catalog says, whatever the plugin does, and whatever is killed when."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from mixpeek_dagster.catalog.plugins import DeploymentStatus
from mixpeek_dagster.operations.deployments import advance, deploy, undeploy
from mixpeek_dagster.operations.plugins import delete_plugin
from tests.deployer.conftest import EMBEDS, GATED, OTHERWISE, RAISES, SAYS_NOTHING, Installation, eventually

_S = DeploymentStatus


def test_a_plugin_is_deployed_compared_and_answers_at_its_route(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    assert installation.call(plugin).status_code == 404
    deployment = installation.deploy(plugin).deployment
    assert deployment.status is _S.DEPLOYED, deployment.reason
    assert "same vectors as the batch path (cosine 1.0" in deployment.reason
    assert deployment.route == f"/{plugin.name}/1_0_0"
    assert deployment.cold_start_seconds is None or deployment.cold_start_seconds > 0
    reply = installation.call(plugin)
    assert (reply.status_code, reply.json()["embedding"][0]) == (200, 5.0)


def test_undeploy_takes_it_away_and_leaves_no_process(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin, probe=False)
    undeploy(installation.view, plugin.plugin_id)
    eventually(lambda: not installation.services(plugin))
    reply = installation.call(plugin)
    assert reply.status_code == 404
    assert f"mixpeek plugin deploy {plugin.plugin_id}" in reply.json()["error"]["message"]


@pytest.mark.slow
def test_deleting_a_deployed_plugin_ends_its_endpoint(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin)
    delete_plugin(installation.stores, installation.view, plugin.plugin_id)
    eventually(lambda: not installation.services(plugin))
    assert installation.call(plugin).status_code == 404


@pytest.mark.parametrize(
    ("realtime", "reason"),
    [
        (OTHERWISE, "'vector' of the same sample differs: cosine .* more than 0.999 is needed"),
        pytest.param(RAISES, "realtime.py:6: InferenceService: OSError: no such device", marks=pytest.mark.slow),
        pytest.param(
            SAYS_NOTHING,
            "its reply to a sample has neither 'vector' nor 'embedding', it has build",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_new_build_that_fails_leaves_the_old_one_serving(
    installation: Installation, realtime: str, reason: str
) -> None:
    plugin = installation.push(EMBEDS)
    first = installation.deploy(plugin, probe=False)
    build = installation.call(plugin).json()["build"]
    installation.push(realtime, plugin.name)
    failed = installation.deploy(plugin).deployment
    assert failed.status is _S.FAILED
    assert pytest.raises(AssertionError, match=reason).matches(AssertionError(failed.reason)), failed.reason
    assert "What was deployed before still answers" in failed.reason
    assert failed.serving == first.deployment.serving
    assert installation.call(plugin).json()["build"] == build
    eventually(lambda: len(installation.services(plugin)) == 1)


def test_a_first_build_that_fails_has_no_endpoint(installation: Installation) -> None:
    plugin = installation.push(RAISES)
    failed = installation.deploy(plugin).deployment
    assert (failed.status, failed.route, failed.serving) == (_S.FAILED, None, None)
    reply = installation.call(plugin)
    assert reply.status_code == 404
    assert "no such device" in reply.json()["error"]["message"]
    assert not installation.services(plugin)


def test_an_endpoint_may_differ_from_the_batch_path_if_that_is_meant(installation: Installation) -> None:
    plugin = installation.push(OTHERWISE)
    deployment = installation.deploy(plugin, probe=False).deployment
    assert (deployment.status, "as asked" in deployment.reason) == (_S.DEPLOYED, True)


def test_a_new_build_drops_no_request(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin, probe=False)
    seen: Counter[object] = Counter()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            reply = installation.call(plugin)
            seen[reply.json().get("build") if reply.is_success else reply.text] += 1

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        installation.push(EMBEDS, plugin.name)
        installation.deploy(plugin)
        newest = installation.builds
        eventually(lambda: seen[newest] > 20)
    finally:
        done.set()
        for client in clients:
            client.join()
    assert set(seen) == {newest - 1, newest}
    eventually(lambda: len(installation.services(plugin)) == 1)


def test_a_killed_service_comes_back_and_requests_wait_for_it(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin, probe=False)
    (service,) = installation.services(plugin)
    installation.kill(service)
    assert installation.call(plugin).status_code == 200
    (again,) = installation.services(plugin)
    assert (again.pid != service.pid, again.address) == (True, service.address)
    assert installation.find(plugin).deployment.status is _S.DEPLOYED


@pytest.mark.slow
def test_a_service_that_keeps_dying_has_failed(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin)

    def failed() -> bool:
        for service in installation.services(plugin):
            installation.kill(service)
        return installation.find(plugin).deployment.status is _S.FAILED

    eventually(failed)
    assert "it stopped 5 times in a row" in installation.find(plugin).deployment.reason
    reply = installation.call(plugin)
    assert reply.status_code in (404, 503)
    assert "it stopped 5 times in a row" in reply.json()["error"]["message"]


@pytest.mark.slow
def test_what_was_queued_while_no_deployer_ran_is_deployed(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.kill_deployer()
    deploy(installation.view, plugin.plugin_id)
    installation.start_deployer()
    installation.wait(plugin, _S.DEPLOYED)
    assert installation.call(plugin).status_code == 200


@pytest.mark.slow
def test_a_deployment_whose_deployer_died_while_pending_begins_anew(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.kill_deployer()
    queued = deploy(installation.view, plugin.plugin_id)
    advance(installation.stores.catalog, queued, _S.PENDING, "fetching the plugin's code")
    installation.start_deployer()
    installation.wait(plugin, _S.DEPLOYED)
    assert installation.call(plugin).status_code == 200


def test_a_deployment_whose_deployer_died_while_in_progress_begins_anew(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin, probe=False)
    blue = installation.services(plugin)
    installation.push(EMBEDS + GATED, plugin.name)
    deploy(installation.view, plugin.plugin_id)
    installation.wait(plugin, _S.IN_PROGRESS)
    eventually(lambda: len(installation.services(plugin)) == 2)
    installation.kill_deployer()
    assert {service.pid for service in blue} <= {service.pid for service in installation.services(plugin)}
    installation.start_deployer()
    assert installation.call(plugin).json()["build"] == installation.builds - 1
    installation.gate.touch()
    installation.wait(plugin, _S.DEPLOYED)
    assert installation.call(plugin).json()["build"] == installation.builds
    eventually(lambda: len(installation.services(plugin)) == 1)


def test_a_deployed_service_outlives_its_deployer(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin, probe=False)
    (service,) = installation.services(plugin)
    installation.kill_deployer()
    installation.start_deployer()
    assert installation.call(plugin).status_code == 200
    assert [each.pid for each in installation.services(plugin)] == [service.pid]


@pytest.mark.slow
def test_what_was_undeployed_while_no_deployer_ran_is_stopped(installation: Installation) -> None:
    plugin = installation.push(EMBEDS)
    installation.deploy(plugin)
    installation.kill_deployer()
    undeploy(installation.view, plugin.plugin_id)
    assert installation.services(plugin)
    installation.start_deployer()
    eventually(lambda: not installation.services(plugin))


@pytest.mark.slow
def test_undeploying_while_it_is_being_deployed_gives_the_new_one_up(installation: Installation) -> None:
    installation.gate.unlink(missing_ok=True)
    plugin = installation.push(EMBEDS + GATED)
    deploy(installation.view, plugin.plugin_id)
    installation.wait(plugin, _S.IN_PROGRESS)
    undeploy(installation.view, plugin.plugin_id)
    installation.gate.touch()
    eventually(lambda: not installation.services(plugin))
    assert installation.find(plugin).deployment.status is _S.NOT_DEPLOYED
