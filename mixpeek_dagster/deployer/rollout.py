"""One deployment from QUEUED to DEPLOYED or FAILED: green is started beside blue, compared, and takes over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mixpeek_dagster.catalog.plugins import DeploymentStatus, PluginRecord
from mixpeek_dagster.catalog.records import PluginReference
from mixpeek_dagster.deployer.hosting.host import Health, Host, Report, Service
from mixpeek_dagster.deployer.hosting.spec import ServiceSpec
from mixpeek_dagster.deployer.probe import compare
from mixpeek_dagster.errors import InUse, InvalidRequest, MixpeekError, ServingError
from mixpeek_dagster.operations.deployments import advance
from mixpeek_dagster.stores import Stores

_S = DeploymentStatus
_PAUSE = 0.1
_log = logging.getLogger(__name__)


class Overtaken(Exception):
    """The deployment was undeployed, deleted or asked for anew meanwhile, or the deployer is being stopped."""


def service_spec(stores: Stores, plugin: PluginRecord, reference: PluginReference) -> ServiceSpec:
    """A registered plugin at one build, its code fetched to this machine.

    Raises:
        NotFound: the archive is gone.
        PluginError: it does not hold the code that it was registered with.
    """
    folder = stores.plugins.folder(reference)
    return ServiceSpec.of_plugin(plugin.namespace_id, plugin.name, plugin.version, str(reference.code_hash), folder)


class Rollout:
    """Deploys one plugin.

    Args:
        stores: the catalog and the plugins' code.
        host: where the endpoint runs.
        switch: gives the deployment to a service.
        stopping: whether the deployer is being stopped.
    """

    def __init__(
        self, stores: Stores, host: Host, switch: Callable[[Service], None], stopping: Callable[[], bool]
    ) -> None:
        self._stores = stores
        self._host = host
        self._switch = switch
        self._stopping = stopping

    def run(self, plugin: PluginRecord) -> None:
        """Take a QUEUED deployment to its end; what answers now goes on until then, and after a failure, too."""
        green: Service | None = None
        try:
            plugin = self._advance(plugin, _S.PENDING, "fetching the plugin's code")
            spec = service_spec(self._stores, plugin, plugin.reference)
            plugin = self._advance(plugin, _S.IN_PROGRESS, "starting it beside what answers now")
            green = self._host.start(spec)
            report = self._wait(green)
            said = self._compare(plugin, green, spec)
            cold = report.cold_start_seconds
            told = f"{said}; started in {cold:.1f} s" if cold is not None else said
            self._advance(plugin, _S.DEPLOYED, told, serving=plugin.reference, cold_start_seconds=cold)
        except Overtaken:
            _log.info("deployment of %s was given up", plugin.plugin_id)
            _stop(green)
        except MixpeekError as error:
            _stop(green)
            self._fail(plugin, error)
        except BaseException:
            _stop(green)
            raise
        else:
            self._switch(green)

    def _wait(self, green: Service) -> Report:
        limit = self._stores.settings.inference_start_seconds
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            if self._stopping():
                raise Overtaken
            if not green.alive:
                raise ServingError("realtime.py", why=f"its process stopped: {green.last_words() or 'without a word'}")
            report = green.report()
            if report is not None and report.health is Health.FAILED:
                raise ServingError("realtime.py", why=report.problem)
            if report is not None and report.health is Health.READY:
                return report
            time.sleep(_PAUSE)
        raise ServingError("realtime.py", why=f"it was not ready within {limit:g} s")

    def _compare(self, plugin: PluginRecord, green: Service, spec: ServiceSpec) -> str:
        if not plugin.deployment.probe:
            return "not compared with the batch path, as asked"
        folder = self._stores.plugins.folder(plugin.reference)
        return compare(plugin, folder, f"http://{green.address}{spec.route}", self._stores.settings)

    def _advance(self, plugin: PluginRecord, status: DeploymentStatus, reason: str, **more: object) -> PluginRecord:
        if self._stopping():
            raise Overtaken
        try:
            return advance(self._stores.catalog, plugin, status, reason, **more)  # type: ignore[arg-type]
        except (InUse, InvalidRequest):
            raise Overtaken from None

    def _fail(self, plugin: PluginRecord, error: MixpeekError) -> None:
        kept = ". What was deployed before still answers" if plugin.deployment.serving is not None else ""
        reason = f"{error.sentence()}{kept}"
        _log.error("deployment of %s failed: %s", plugin.plugin_id, reason)
        try:
            advance(self._stores.catalog, plugin, _S.FAILED, reason)
        except (InUse, InvalidRequest):
            _log.info("deployment of %s was given up meanwhile", plugin.plugin_id)


def _stop(service: Service | None) -> None:
    if service is not None:
        service.stop()
