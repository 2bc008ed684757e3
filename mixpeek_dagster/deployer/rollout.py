"""One deployment from QUEUED to DEPLOYED or FAILED: green is started beside blue, compared, and takes over."""

from __future__ import annotations

import logging
from collections.abc import Callable

from mixpeek_dagster.catalog.plugins import DeploymentStatus, PluginRecord
from mixpeek_dagster.catalog.records import PluginReference
from mixpeek_dagster.deployer.hosting.host import Host, Report, Service
from mixpeek_dagster.deployer.hosting.readiness import wait_until_ready
from mixpeek_dagster.deployer.hosting.spec import ServiceSpec
from mixpeek_dagster.deployer.probe import compare
from mixpeek_dagster.errors import InUse, InvalidRequest, MixpeekError
from mixpeek_dagster.operations.deployments import advance
from mixpeek_dagster.stores import Stores

_S = DeploymentStatus
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
        return wait_until_ready(green, self._stores.settings.inference_start_seconds, self._go_on)

    def _go_on(self) -> None:
        if self._stopping():
            raise Overtaken

    def _compare(self, plugin: PluginRecord, green: Service, spec: ServiceSpec) -> str:
        if not plugin.deployment.probe:
            return "not compared with the batch path, as asked"
        folder = self._stores.plugins.folder(plugin.reference)
        return compare(plugin, folder, f"http://{green.address}{spec.route}", self._stores.settings)

    def _advance(self, plugin: PluginRecord, status: DeploymentStatus, reason: str, **more: object) -> PluginRecord:
        self._go_on()
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
