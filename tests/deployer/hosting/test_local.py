"""Services as real processes: starting, stopping, killing, ports, and what a later program finds of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import httpx
import psutil
import pytest

from mixpeek_dagster.deployer.hosting.host import Report, ServiceHealth
from mixpeek_dagster.deployer.hosting.local import LocalHost, LocalService
from mixpeek_dagster.deployer.hosting.readiness import wait_until_ready
from mixpeek_dagster.deployer.hosting.spec import ServiceSpec
from mixpeek_dagster.deployer.hosting.supervisor import ServiceSupervisor
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.operations.endpoint_client import infer
from mixpeek_dagster.settings import Settings
from tests.serving.conftest import write_plugin
from tests.serving.plugin_server import PLAIN, SLOW_IMPORT, processes_of, spec_of
from tests.waiting import wait_until

SECONDS = 120.0
OWNER = """
import sys
from pathlib import Path
from mixpeek_dagster.deployer.hosting.local import LocalHost
from mixpeek_dagster.deployer.hosting.readiness import wait_until_ready
from mixpeek_dagster.settings import Settings
from tests.serving.plugin_server import spec_of

service = LocalHost(Settings(home=Path(sys.argv[2]))).start(spec_of(Path(sys.argv[1])))
wait_until_ready(service, 120)
print(service.record.instance, flush=True)
sys.stdin.read()
"""

Start = Callable[..., LocalService]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def host(settings: Settings) -> LocalHost:
    return LocalHost(settings)


@pytest.fixture
def start(host: LocalHost) -> Iterator[Start]:
    """Start a service; it is stopped at the end."""
    with ExitStack() as stack:

        def start_one(spec: ServiceSpec, like: LocalService | None = None) -> LocalService:
            service = host.start(spec, like)
            stack.callback(service.stop)
            return service

        yield start_one


@pytest.fixture
def plain(tmp_path: Path) -> ServiceSpec:
    return spec_of(write_plugin(tmp_path / "plugins" / "my_plugin", PLAIN))


def url_of(service: LocalService) -> str:
    return f"http://{service.address}/my_plugin/1_0_0"


def test_stop_leaves_no_process_and_no_record(start: Start, plain: ServiceSpec, settings: Settings) -> None:
    service = start(plain)
    wait_until_ready(service, SECONDS)
    assert processes_of(service.record.instance) == {service.pid}
    service.stop()
    assert processes_of(service.record.instance) == set()
    assert not service.alive
    assert list((settings.home_path / "serving").iterdir()) == []
    service.stop()


def test_two_services_have_ports_of_their_own_on_loopback_only(start: Start, plain: ServiceSpec) -> None:
    services = start(plain), start(plain)
    for service in services:
        wait_until_ready(service, SECONDS)
    assert services[0].address != services[1].address
    for service in services:
        assert httpx.get(f"http://{service.address}/readyz").json()["instance"] == service.record.instance
        assert infer(url_of(service), {}) == {"ok": True}
        assert httpx.get(f"http://{service.address}/metrics").status_code == 200
        listening = [
            connection.laddr
            for connection in psutil.Process(service.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", service.record.port)]


def test_a_new_service_takes_the_address_of_one_that_has_ended(start: Start, plain: ServiceSpec) -> None:
    first = start(plain)
    first.stop()
    assert start(plain, like=first).address == first.address


def test_a_port_that_is_lost_while_it_starts_makes_its_supervisor_try_another(
    host: LocalHost, plain: ServiceSpec, settings: Settings
) -> None:
    supervisor = ServiceSupervisor(host, settings)
    try:
        supervisor.set_wanted([plain])
        (first,) = host.running()
        with socket.socket() as other:
            other.bind(("127.0.0.1", first.record.port))
            other.listen()

            def answers() -> bool:
                supervisor.tick()
                return supervisor.targets[plain.service_id].address is not None

            wait_until(answers)
            address = supervisor.targets[plain.service_id].address
            assert address != first.address
            assert infer(f"http://{address}/my_plugin/1_0_0", {}) == {"ok": True}
            assert "address already in use" in first.last_words()
    finally:
        supervisor.close()


def test_killed_service_is_a_clear_error(start: Start, plain: ServiceSpec) -> None:
    service = start(plain)
    wait_until_ready(service, SECONDS)
    os.kill(service.pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(service.record.instance))
    with pytest.raises(ServingError, match=r"does not answer: .+See that the inference server runs"):
        infer(url_of(service), {})
    assert not service.alive


def test_service_ends_when_its_owner_is_killed(plain: ServiceSpec, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "plugins" / "my_plugin"), str(tmp_path / "home")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as owner:
        assert owner.stdout
        instance = owner.stdout.readline().decode().strip()
        assert processes_of(instance)
        owner.kill()
    wait_until(lambda: not processes_of(instance))


def test_service_that_dies_at_start_tells_the_end_of_its_log(start: Start, plain: ServiceSpec) -> None:
    service = start(replace(plain, module="serving.plugin_service:Absent"))
    with pytest.raises(ServingError, match=r"its process stopped: .*has no attribute 'Absent'"):
        wait_until_ready(service, SECONDS)
    assert "has no attribute 'Absent'" in Path(service.record.log).read_text()


def test_service_that_is_not_ready_in_time_can_be_stopped(start: Start, tmp_path: Path) -> None:
    service = start(spec_of(write_plugin(tmp_path / "plugins" / "my_plugin", SLOW_IMPORT)))
    with pytest.raises(ServingError, match=r"was not ready within 0\.2 s"):
        wait_until_ready(service, 0.2)
    service.stop()
    assert not processes_of(service.record.instance)


def test_broken_plugin_and_no_plugin_say_why_they_have_failed(start: Start, tmp_path: Path) -> None:
    broken = start(spec_of(write_plugin(tmp_path / "plugins" / "my_plugin", "raise OSError('no device')")))
    empty = start(spec_of())
    with pytest.raises(ServingError, match="there is nothing to serve"):
        wait_until_ready(empty, SECONDS)
    with pytest.raises(ServingError, match="no device"):
        wait_until_ready(broken, SECONDS)
    problem = "realtime.py:1: realtime.py of plugin 'my_plugin': OSError: no device"
    assert broken.report() == Report(ServiceHealth.FAILED, problem)


def test_a_later_program_finds_it_and_stops_it(start: Start, plain: ServiceSpec, settings: Settings) -> None:
    service = start(plain)
    wait_until_ready(service, SECONDS)
    (found,) = LocalHost(settings).running()
    assert (found.record, found.alive) == (service.record, True)
    assert found.report() == service.report()
    found.stop()
    assert not found.alive
    assert not service.alive
    assert processes_of(service.record.instance) == set()


def test_records_are_of_a_process_and_not_of_its_number(host: LocalHost, settings: Settings) -> None:
    folder = settings.home_path / "serving"
    folder.mkdir(parents=True)
    own = psutil.Process()
    record = {"spec": asdict(spec_of()), "pid": own.pid, "port": 1, "instance": "x", "log": "x"}
    (folder / "same.json").write_text(json.dumps({**record, "started": own.create_time()}))
    (folder / "reused.json").write_text(json.dumps({**record, "started": own.create_time() - 100}))
    (folder / "torn.json").write_text('{"spec"')
    assert [service.pid for service in host.running()] == [own.pid]
    assert [path.name for path in folder.iterdir()] == ["same.json"]
