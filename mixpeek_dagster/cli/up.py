"""`mixpeek up`: Dagster UI and daemon, realtime inference and the stores, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer

from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.cli.console import out
from mixpeek_dagster.cli.remote import require_local
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.dagster_home.runs import add_batches, open_instance
from mixpeek_dagster.dagster_home.ui_server import DagsterServer
from mixpeek_dagster.deployer.gateway.caddy import Gateway
from mixpeek_dagster.deployer.server import DeployerServer
from mixpeek_dagster.embedded import stop_embedded
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.operations.keys import issue_key
from mixpeek_dagster.processes.child_server import ChildServer
from mixpeek_dagster.processes.restarts import Restarts
from mixpeek_dagster.processes.up_lock import UpLock
from mixpeek_dagster.runs.spools import sweep_all_spools
from mixpeek_dagster.settings import Settings

_RESTARTS = 5


def up(
    port: Annotated[int | None, typer.Option(help="Port of the Dagster UI; the next free one if taken.")] = None,
    inference: Annotated[bool, typer.Option(help="Serve plugins' realtime.py.")] = True,
) -> None:
    """Start everything on this home folder and stay; one Ctrl-C stops it all."""
    settings = require_local("up", "it starts servers on this machine")
    if port is not None:
        settings = settings.model_copy(update={"dagster_port": port})
    with UpLock(settings.home_path) as lock, _until_interrupted() as interrupted:
        with open_session(settings) as session, ExitStack() as stack:
            _partitions(session)
            sweep_all_spools(session.stores)
            dagster = stack.enter_context(DagsterServer(settings, session.stores.environment()))
            lock.publish({"dagster": dagster.url})
            api = stack.enter_context(ApiServer(settings, session.stores.environment()))
            urls = {"dagster": dagster.url, "api": api.url}
            lock.publish(urls)
            out.print(f"[green]Dagster UI[/]   {dagster.url}")
            out.print(f"[green]REST API[/]     {api.url}/docs")
            _show_first_key(session)
            servers: list[ChildServer] = [dagster, api]
            if inference:
                inferring = _serve(settings, session, stack)
                servers += inferring
                lock.publish({**urls, "inference": inferring[-1].url})
                out.print(f"[green]Inference[/]    {inferring[-1].url}")
            for name, url in session.stores.urls().items():
                out.print(f"[green]{name:<12}[/] {url}")
            out.print("Ctrl-C stops everything.")
            _watch(servers, interrupted)
            out.print("stopping")
        stop_embedded(settings.home_path)


def _serve(settings: Settings, session: Session, stack: ExitStack) -> list[ChildServer]:
    """Start the deployer and, in front of what it deploys, the gateway."""
    deployer = stack.enter_context(DeployerServer(settings, session.stores.environment()))
    return [deployer, stack.enter_context(Gateway(settings, deployer.port))]


def _watch(servers: list[ChildServer], interrupted: threading.Event) -> None:
    """Wait for Ctrl-C. A server that dies is started again, on its old port, unless it keeps dying."""
    watched = [(server, Restarts(_RESTARTS + 1)) for server in servers]
    while not interrupted.wait(0.5):
        for server, restarts in watched:
            if server.alive:
                continue
            if restarts.died(time.monotonic()) is None:
                why = f"it stopped {restarts.deaths} times"
                raise ServingError(f"server {server.url}", why=why, fix=f"Read {server.log}")
            out.print(f"[yellow]{server.url} stopped and is started again[/]; see {server.log}")
            server.start()


def _show_first_key(session: Session) -> None:
    """A new installation's key, shown this once; later ones come from `mixpeek keys create`."""
    catalog, organization = session.stores.catalog, session.namespace.organization_id
    if not catalog.api_keys.find(organization):
        _, secret = issue_key(catalog, organization, "first", [Permission.ADMIN])
        out.print(f"[green]API key[/]      {secret}  (shown this once)", soft_wrap=True)


def _partitions(session: Session) -> None:
    """Batches that were ingested while Dagster's own storage was elsewhere become partitions."""
    with open_instance(session.settings) as instance:
        for bucket in session.stores.catalog.buckets.find(session.namespace.namespace_id):
            batches = session.stores.catalog.batches.of_bucket(bucket.bucket_id)
            wanted = [batch.batch_id for batch in batches if not batch.retired]
            add_batches(instance, session.namespace.address, bucket.bucket_name, wanted)


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    event = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: event.set()) for number in signals}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
