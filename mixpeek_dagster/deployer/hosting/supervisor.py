"""Keeps services up: starts, parks, wakes and restarts them, and says where each answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from mixpeek_dagster.deployer.hosting.drain import drain
from mixpeek_dagster.deployer.hosting.host import Host, Report, Service, ServiceHealth
from mixpeek_dagster.deployer.hosting.slot import Observation, ServiceSlot, ServiceState, ServiceTarget
from mixpeek_dagster.deployer.hosting.spec import ServiceSpec
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.settings import Settings

_RETRY_SECONDS = 30.0
"""After so long a service that starts on demand may be tried again."""
_PROBE_SECONDS = 5.0
_SILENT_SECONDS = 60.0
_log = logging.getLogger(__name__)


class ServiceSupervisor:
    """The services of one host. Call `tick` often; `wake`, `touch` and `replace` may come from other threads.

    Args:
        host: what runs them.
        settings: limits.

    Attributes:
        on_change: told all targets after each change.
    """

    def __init__(self, host: Host, settings: Settings) -> None:
        self.on_change: Callable[[Mapping[str, ServiceTarget]], None] = lambda _: None
        self._host = host
        self._settings = settings
        self._slots: dict[str, ServiceSlot] = {}
        self._shown: dict[str, ServiceTarget] = {}
        self._lock = threading.RLock()
        self._draining: set[threading.Thread] = set()

    @property
    def targets(self) -> Mapping[str, ServiceTarget]:
        """Each deployment by its id."""
        return self._shown

    def adopt(self, wanted: Mapping[str, ServiceSpec]) -> None:
        """Take over what an earlier program left running: what is wanted goes on, the rest is stopped."""
        with self._lock:
            for service in self._host.running():
                spec = wanted.get(service.spec.service_id)
                if spec is None or spec.build != service.spec.build or spec.service_id in self._slots:
                    self._retire(service)
                    continue
                slot = self._slots[spec.service_id] = ServiceSlot(spec, service=service)
                slot.go(ServiceState.STARTING)
                _log.info("service %s goes on (%s)", spec.service_id, service.address)

    def want(self, specs: Iterable[ServiceSpec]) -> None:
        """Serve these and no others.

        A deployment that is there keeps its build until `replace` changes it, unless it is started on demand.
        """
        wanted = {spec.service_id: spec for spec in specs}
        with self._lock:
            for service_id, slot in list(self._slots.items()):
                spec = wanted.get(service_id)
                if spec is None or (spec.on_demand and spec.build != slot.spec.build):
                    _log.info("service %s: this build is no longer wanted", service_id)
                    del self._slots[service_id]
                    self._show()
                    if slot.service is not None:
                        self._retire(slot.service)
            for service_id in wanted.keys() - self._slots.keys():
                slot = self._slots[service_id] = ServiceSlot(wanted[service_id])
                if not slot.spec.on_demand and not self._parks:
                    self._start(slot)
            self._show()

    def replace(self, service: Service) -> None:
        """Let a service that is ready take its deployment over; what served it before finishes its work and ends."""
        with self._lock:
            spec = service.spec
            before = self._slots.get(spec.service_id)
            slot = self._slots[spec.service_id] = ServiceSlot(spec, service=service)
            slot.go(ServiceState.READY)
            slot.heard = slot.since
            self._show()
            if before is not None and before.service is not None:
                self._retire(before.service)

    def wake(self, service_id: str) -> None:
        """Start a deployment that is parked, or has failed a while ago."""
        with self._lock:
            slot = self._slots.get(service_id)
            if slot is None:
                return
            slot.used = time.monotonic()
            failed = slot.place is ServiceState.FAILED and slot.spec.on_demand
            if slot.place is ServiceState.PARKED or (failed and slot.since + _RETRY_SECONDS < slot.used):
                slot.restarts.forget()
                self._start(slot)
                self._show()

    def touch(self, service_id: str) -> None:
        """Note that a deployment was called."""
        if (slot := self._slots.get(service_id)) is not None:
            slot.used = time.monotonic()

    def tick(self) -> None:
        """Look after each service once."""
        with self._lock:
            looked_at = [(slot, slot.service) for slot in self._slots.values()]
        for slot, service in looked_at:
            # Outside of the lock: one that is slow to answer must not keep the others from being woken.
            seen = self._see(slot, service)
            with self._lock:
                if self._slots.get(slot.spec.service_id) is slot and slot.service is service:
                    self._look_after(slot, seen)
        with self._lock:
            self._show()

    @property
    def _parks(self) -> bool:
        """Whether what nobody calls is parked: what is known is started by its first call, then."""
        return self._settings.inference_idle_seconds is not None

    def close(self) -> None:
        """Stop everything."""
        with self._lock:
            services = [slot.service for slot in self._slots.values() if slot.service is not None]
            self._slots.clear()
            self._show()
        stopping = [threading.Thread(target=service.stop) for service in services]
        for thread in stopping:
            thread.start()
        for thread in (*stopping, *self._draining):
            thread.join()

    def _see(self, slot: ServiceSlot, service: Service | None) -> Observation:
        now = time.monotonic()
        if service is None or not service.alive:
            return Observation()
        if slot.place is ServiceState.READY and now < slot.asked + _PROBE_SECONDS:
            return Observation(alive=True)
        slot.asked = now
        return Observation(alive=True, asked=True, report=service.report(), memory=self._memory(service))

    def _memory(self, service: Service) -> int:
        """Looked up only where it is limited: it takes a walk through all processes."""
        return service.memory_bytes() if self._settings.inference_memory_bytes is not None else 0

    def _look_after(self, slot: ServiceSlot, seen: Observation) -> None:
        if slot.service is None:
            if slot.place is ServiceState.STARTING and time.monotonic() >= slot.retry_at:
                self._start(slot)
        elif not seen.alive:
            self._on_death(slot, f"it stopped: {slot.service.last_words() or 'without a word'}")
        elif slot.place is ServiceState.STARTING:
            self._on_starting(slot, seen.report)
        elif slot.place is ServiceState.READY:
            self._on_ready(slot, seen)

    def _start(self, slot: ServiceSlot) -> None:
        former = slot.service
        slot.go(ServiceState.STARTING)
        try:
            slot.service = self._host.start(slot.spec, former)
        except ServingError as error:
            slot.service = None
            self._give_up(slot, error.why)

    def _on_starting(self, slot: ServiceSlot, report: Report | None) -> None:
        if report is not None and report.health is ServiceHealth.READY:
            slot.go(ServiceState.READY)
            slot.heard = slot.used = slot.since
            _log.info("service %s is ready (cold start %s s)", slot.spec.service_id, report.cold_start_seconds)
        elif report is not None and report.health is ServiceHealth.FAILED:
            self._give_up(slot, report.problem)
        elif time.monotonic() > slot.since + self._settings.inference_start_seconds:
            self._give_up(slot, f"it was not ready within {self._settings.inference_start_seconds:g} s")

    def _on_ready(self, slot: ServiceSlot, seen: Observation) -> None:
        if not seen.asked:
            return
        now = time.monotonic()
        if seen.report is not None:
            slot.heard = now
        idle, limit = self._settings.inference_idle_seconds, self._settings.inference_memory_bytes
        if limit is not None and seen.memory > limit:
            self._on_death(slot, f"it held {seen.memory:,} bytes of memory, {limit:,} are allowed")
        elif now > slot.heard + _SILENT_SECONDS:
            self._on_death(slot, f"it has said nothing for {_SILENT_SECONDS:g} s")
        elif idle is not None and now > slot.used + idle and seen.report is not None and not seen.report.in_flight:
            self._park(slot)

    def _park(self, slot: ServiceSlot) -> None:
        _log.info("service %s is parked", slot.spec.service_id)
        service, slot.service = slot.service, None
        slot.go(ServiceState.PARKED)
        self._show()
        if service is not None:
            self._retire(service)

    def _on_death(self, slot: ServiceSlot, problem: str) -> None:
        now = time.monotonic()
        wait = slot.restarts.died(now, since=slot.since if slot.place is ServiceState.READY else None)
        deaths = slot.restarts.deaths
        _log.warning("service %s: %s (%d of %d)", slot.spec.service_id, problem, deaths, slot.restarts.most)
        if slot.service is not None:
            self._retire(slot.service, gently=False)
        if wait is None:
            self._give_up(slot, f"it stopped {deaths} times in a row, at last: {problem}")
        elif wait == 0:
            self._start(slot)
        else:
            slot.service = None
            slot.retry_at = now + wait
            slot.go(ServiceState.STARTING)

    def _give_up(self, slot: ServiceSlot, problem: str) -> None:
        _log.error("service %s has failed: %s", slot.spec.service_id, problem)
        service, slot.service = slot.service, None
        slot.go(ServiceState.FAILED, problem)
        self._show()
        if service is not None:
            self._retire(service, gently=False)

    def _retire(self, service: Service, *, gently: bool = True) -> None:
        """Stop a service in the background."""

        def work() -> None:
            if gently:
                drain(service, self._settings.inference_seconds)
            service.stop()
            self._draining.discard(thread)

        thread = threading.Thread(target=work, name=f"retire {service.spec.service_id}")
        self._draining.add(thread)
        thread.start()

    def _show(self) -> None:
        shown = {
            service_id: ServiceTarget(
                slot.spec,
                slot.place,
                slot.service.address if slot.service is not None and slot.place is ServiceState.READY else None,
                slot.problem,
            )
            for service_id, slot in self._slots.items()
        }
        if shown != self._shown:
            self._shown = shown
            self.on_change(shown)
