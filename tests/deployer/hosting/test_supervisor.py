"""Keeping services up, with services that do as a test says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from mixpeek_dagster.deployer.hosting import slot as slot_module
from mixpeek_dagster.deployer.hosting import supervisor as supervisor_module
from mixpeek_dagster.deployer.hosting.host import Report, Service, ServiceHealth
from mixpeek_dagster.deployer.hosting.slot import ServiceState
from mixpeek_dagster.deployer.hosting.spec import ServiceSpec
from mixpeek_dagster.deployer.hosting.supervisor import ServiceSupervisor
from mixpeek_dagster.settings import Settings


@dataclass
class Told:
    """A service that is what a test says it is."""

    spec: ServiceSpec
    address: str
    alive: bool = True
    says: Report | None = None
    memory: int = 0
    stopped: bool = False

    def report(self) -> Report | None:
        return self.says

    def memory_bytes(self) -> int:
        return self.memory

    def last_words(self) -> str:
        return "Killed"

    def stop(self) -> None:
        self.stopped, self.alive = True, False


@dataclass
class Machine:
    """A host that remembers what it started."""

    started: list[Told] = field(default_factory=list)

    def start(self, spec: ServiceSpec, like: Service | None = None) -> Told:
        address = like.address if like is not None else f"here:{len(self.started)}"
        self.started.append(Told(spec, address))
        return self.started[-1]

    def running(self) -> list[Told]:
        return []

    @property
    def newest(self) -> Told:
        return self.started[-1]


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


READY = Report(ServiceHealth.READY)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (slot_module, supervisor_module):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(supervisor_module, "drain", lambda service, seconds: True)
    return clock


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def supervisor(machine: Machine, clock: Clock) -> Iterator[ServiceSupervisor]:
    limits = {"inference_idle_seconds": 100.0, "inference_memory_bytes": 1000, "inference_start_seconds": 30.0}
    supervisor = ServiceSupervisor(machine, Settings.model_validate(limits))
    yield supervisor
    supervisor.close()


def _spec(build: str = "1", *, on_demand: bool = False) -> ServiceSpec:
    return ServiceSpec("ns:p", build, "ns", "/p/1", "module:Service", on_demand=on_demand)


def _state(supervisor: ServiceSupervisor) -> ServiceState:
    return supervisor.targets["ns:p"].place


def _ready(supervisor: ServiceSupervisor, machine: Machine, spec: ServiceSpec) -> None:
    supervisor.set_wanted([spec])
    supervisor.wake(spec.service_id)
    machine.newest.says = READY
    supervisor.tick()
    assert supervisor.targets[spec.service_id].place is ServiceState.READY


def test_what_is_on_demand_waits_for_its_first_request(supervisor: ServiceSupervisor, machine: Machine) -> None:
    supervisor.set_wanted([_spec(on_demand=True)])
    supervisor.tick()
    assert (machine.started, supervisor.targets["ns:p"].place) == ([], ServiceState.PARKED)
    supervisor.wake("ns:p")
    assert supervisor.targets["ns:p"].place is ServiceState.STARTING
    machine.newest.says = READY
    supervisor.tick()
    assert supervisor.targets["ns:p"].address == "here:0"


def test_where_idle_services_are_parked_what_is_known_waits_for_its_first_call(
    supervisor: ServiceSupervisor, machine: Machine
) -> None:
    supervisor.set_wanted([_spec()])
    assert (machine.started, supervisor.targets["ns:p"].place) == ([], ServiceState.PARKED)


def test_where_nothing_is_parked_what_is_known_is_started(machine: Machine, clock: Clock) -> None:
    supervisor = ServiceSupervisor(machine, Settings())
    supervisor.set_wanted([_spec()])
    assert supervisor.targets["ns:p"].place is ServiceState.STARTING
    supervisor.close()


def test_a_changed_build_is_started_by_the_next_request(supervisor: ServiceSupervisor, machine: Machine) -> None:
    _ready(supervisor, machine, _spec(on_demand=True))
    first = machine.newest
    supervisor.set_wanted([_spec("2", on_demand=True)])
    assert supervisor.targets["ns:p"].place is ServiceState.PARKED
    supervisor.wake("ns:p")
    assert machine.newest.spec.build == "2"
    supervisor.close()
    assert first.stopped


def test_what_holds_too_much_memory_is_started_again(
    supervisor: ServiceSupervisor, machine: Machine, clock: Clock
) -> None:
    _ready(supervisor, machine, _spec())
    machine.newest.memory = 1001
    clock.now += 10
    supervisor.tick()
    assert (len(machine.started), supervisor.targets["ns:p"].place) == (2, ServiceState.STARTING)


def test_what_says_nothing_for_long_is_started_again(
    supervisor: ServiceSupervisor, machine: Machine, clock: Clock
) -> None:
    _ready(supervisor, machine, _spec())
    machine.newest.says = None
    for _ in range(12):
        clock.now += 6
        supervisor.touch("ns:p")
        supervisor.tick()
    assert len(machine.started) == 2


def test_what_works_on_a_request_is_not_parked(supervisor: ServiceSupervisor, machine: Machine, clock: Clock) -> None:
    _ready(supervisor, machine, _spec())
    machine.newest.says = Report(ServiceHealth.READY, in_flight=1)
    clock.now += 101
    supervisor.tick()
    assert _state(supervisor) is ServiceState.READY
    machine.newest.says = READY
    clock.now += 10
    supervisor.tick()
    assert _state(supervisor) is ServiceState.PARKED


def test_what_keeps_dying_is_given_up_after_pauses(
    supervisor: ServiceSupervisor, machine: Machine, clock: Clock
) -> None:
    _ready(supervisor, machine, _spec())
    waited = []
    while _state(supervisor) is not ServiceState.FAILED:
        machine.newest.alive = False
        started, begun = len(machine.started), clock.now
        supervisor.tick()
        while len(machine.started) == started and _state(supervisor) is not ServiceState.FAILED:
            clock.now += 0.5
            supervisor.tick()
        waited.append(clock.now - begun)
    assert waited == [0.0, 1.0, 2.0, 4.0, 0.0]
    assert supervisor.targets["ns:p"].problem == "it stopped 5 times in a row, at last: it stopped: Killed"


def test_deaths_long_ago_do_not_count(supervisor: ServiceSupervisor, machine: Machine, clock: Clock) -> None:
    _ready(supervisor, machine, _spec())
    for _ in range(10):
        machine.newest.alive = False
        supervisor.tick()
        machine.newest.says = READY
        supervisor.tick()
        clock.now += 61
        supervisor.touch("ns:p")
        supervisor.tick()
    assert supervisor.targets["ns:p"].place is ServiceState.READY


def test_the_first_start_after_a_death_takes_the_old_address(supervisor: ServiceSupervisor, machine: Machine) -> None:
    _ready(supervisor, machine, _spec())
    machine.newest.alive = False
    supervisor.tick()
    assert [each.address for each in machine.started] == ["here:0", "here:0"]


def test_what_does_not_load_in_time_has_failed(supervisor: ServiceSupervisor, machine: Machine, clock: Clock) -> None:
    supervisor.set_wanted([_spec()])
    supervisor.wake("ns:p")
    clock.now += 31
    supervisor.tick()
    target = supervisor.targets["ns:p"]
    assert (target.place, target.problem) == (ServiceState.FAILED, "it was not ready within 30 s")


def test_what_failed_on_demand_is_tried_again_after_a_while(
    supervisor: ServiceSupervisor, machine: Machine, clock: Clock
) -> None:
    supervisor.set_wanted([_spec(on_demand=True)])
    supervisor.wake("ns:p")
    machine.newest.says = Report(ServiceHealth.FAILED, "no model")
    supervisor.tick()
    supervisor.wake("ns:p")
    assert (len(machine.started), supervisor.targets["ns:p"].problem) == (1, "no model")
    clock.now += 31
    supervisor.wake("ns:p")
    assert len(machine.started) == 2
