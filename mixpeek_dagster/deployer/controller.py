"""From the catalog to services, over and over: whatever was killed when, it ends in what the catalog says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from mixpeek_dagster.catalog.plugins import DeploymentStatus, PluginRecord
from mixpeek_dagster.deployer.hosting.host import Host
from mixpeek_dagster.deployer.hosting.slot import ServiceState
from mixpeek_dagster.deployer.hosting.spec import ServiceSpec, plugin_service_id
from mixpeek_dagster.deployer.hosting.supervisor import ServiceSupervisor
from mixpeek_dagster.deployer.rollout import Rollout, service_spec
from mixpeek_dagster.errors import InUse, MixpeekError
from mixpeek_dagster.inference.registry import SERVICES
from mixpeek_dagster.operations.deployments import UNDER_WAY, advance
from mixpeek_dagster.plugins.folder import code_hash
from mixpeek_dagster.stores import Stores

_S = DeploymentStatus
_TICK_SECONDS = 0.25
_LOOK_SECONDS = 1.0
"""How often the catalog is read: with many deployments that costs more than looking at their services."""
_FOLDERS_SECONDS = 5.0
_AT_ONCE = 2
_log = logging.getLogger(__name__)


class Controller:
    """Reconciles the deployments of all tenants with the services of one host.

    Args:
        stores: the catalog and the plugins' code.
        host: what runs services.
        supervisor: keeps them up.
    """

    def __init__(self, stores: Stores, host: Host, supervisor: ServiceSupervisor) -> None:
        self._stores = stores
        self._host = host
        self._supervisor = supervisor
        self._stop = threading.Event()
        self._rollouts: dict[str, threading.Thread] = {}
        self._specs: dict[tuple[str, str], ServiceSpec] = {}
        self._folders: dict[str, ServiceSpec] = {}
        self._folders_at = float("-inf")

    def run(self) -> None:
        """Reconcile until `stop` is called, after `recover`."""
        looked_at = float("-inf")
        while not self._stop.wait(_TICK_SECONDS):
            self._supervisor.tick()
            if time.monotonic() < looked_at + _LOOK_SECONDS:
                continue
            looked_at = time.monotonic()
            try:
                self.look()
            except MixpeekError as error:
                # The catalog may be away for a while; services go on meanwhile.
                _log.warning("%s", error)
        for thread in self._rollouts.values():
            thread.join()

    def stop(self) -> None:
        """Have `run` return soon."""
        self._stop.set()

    def recover(self) -> None:
        """Take up what a killed deployer left: its deployments begin anew, its services go on."""
        plugins = self._stores.catalog.plugins.with_endpoints()
        for plugin in plugins:
            if plugin.deployment.status in UNDER_WAY - {_S.QUEUED}:
                self._settle(plugin, _S.QUEUED, "its deployer was stopped; it begins anew")
        wanted = self._wanted(plugins)
        self._supervisor.adopt({spec.service_id: spec for spec in wanted})
        self._supervisor.want(wanted)

    def look(self) -> None:
        """Compare what the catalog wants with what there is."""
        plugins = self._stores.catalog.plugins.with_endpoints()
        self._supervisor.want(self._wanted(plugins))
        targets = self._supervisor.targets
        for plugin in plugins:
            target = targets.get(plugin_service_id(plugin.namespace_id, plugin.plugin_id))
            if plugin.deployment.status is _S.QUEUED:
                self._begin(plugin)
            elif plugin.deployment.serving is not None and target is not None and target.place is ServiceState.FAILED:
                self._settle(plugin, _S.FAILED, target.problem, ended=True)

    def _begin(self, plugin: PluginRecord) -> None:
        self._rollouts = {record_id: thread for record_id, thread in self._rollouts.items() if thread.is_alive()}
        if plugin.record_id in self._rollouts or len(self._rollouts) >= _AT_ONCE:
            return
        rollout = Rollout(self._stores, self._host, self._supervisor.replace, self._stop.is_set)
        thread = threading.Thread(target=rollout.run, args=(plugin,), name=f"deploy {plugin.plugin_id}")
        self._rollouts[plugin.record_id] = thread
        thread.start()

    def _wanted(self, plugins: list[PluginRecord]) -> list[ServiceSpec]:
        registered = [spec for plugin in plugins if (spec := self._serving(plugin)) is not None]
        wanted = {spec.service_id: spec for spec in (*self._in_folders().values(), *registered)}
        return [*wanted.values(), *map(ServiceSpec.of_model, SERVICES)]

    def _serving(self, plugin: PluginRecord) -> ServiceSpec | None:
        reference = plugin.deployment.serving
        if reference is None:
            return None
        key = plugin.record_id, str(reference.code_hash)
        if key not in self._specs:
            try:
                self._specs[key] = service_spec(self._stores, plugin, reference)
            except MixpeekError as error:
                self._settle(plugin, _S.FAILED, error.sentence(), ended=True)
                return None
        return self._specs[key]

    def _in_folders(self) -> Mapping[str, ServiceSpec]:
        """Plugins that collections of the own namespace read from folders: nobody deploys those; a call starts them."""
        if time.monotonic() > self._folders_at + _FOLDERS_SECONDS:
            self._folders_at = time.monotonic()
            self._folders = {spec.service_id: spec for spec in self._read_folders()}
        return self._folders

    def _read_folders(self) -> Iterator[ServiceSpec]:
        settings, catalog = self._stores.settings, self._stores.catalog
        namespace = catalog.ensure_namespace(settings.namespace, settings.organization)
        for collection in catalog.collections.find(namespace.namespace_id):
            reference = collection.plugin
            if reference.folder is not None and (Path(reference.folder) / "realtime.py").is_file():
                folder = Path(reference.folder)
                named = (namespace.namespace_id, reference.name, reference.version)
                yield ServiceSpec.of_plugin(*named, code_hash(folder), folder, on_demand=True)

    def _settle(self, plugin: PluginRecord, status: DeploymentStatus, reason: str, *, ended: bool = False) -> None:
        try:
            advance(self._stores.catalog, plugin, status, reason, ended=ended)
        except InUse:
            _log.info("deployment of %s has gone on meanwhile", plugin.plugin_id)
