"""`mixpeek up`: Dagster UI and daemon, realtime inference and the stores, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.cli.console import out
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.compiler.launch import add_batches, open_instance
from mixpeek_dagster.compiler.server import DagsterServer
from mixpeek_dagster.embedded import stop_embedded
from mixpeek_dagster.embedded.child_server import ChildServer
from mixpeek_dagster.embedded.up_lock import UpLock
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.registry.keys import issue_key
from mixpeek_dagster.runs.spools import sweep_all_spools
from mixpeek_dagster.settings import Settings
from serving.process import InferenceServer


def up(
    port: Annotated[int | None, typer.Option(help="Port of the Dagster UI; the next free one if taken.")] = None,
    inference: Annotated[bool, typer.Option(help="Serve plugins' realtime.py.")] = True,
) -> None:
    """Start everything on this home folder and stay; one Ctrl-C stops it all."""
    settings = Settings.load()
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
            servers: list[ChildServer | InferenceServer] = [dagster, api]
            if inference and (folders := _realtime_plugins(session)):
                server = stack.enter_context(InferenceServer(folders, settings=settings))
                lock.publish({**urls, "inference": server.url})
                servers.append(server)
                out.print(f"[green]Inference[/]    {server.url}")
                for what, why in server.problems.items():
                    out.print(f"[yellow]not served[/]   {what}: {why}", markup=True, soft_wrap=True)
            for name, url in session.stores.urls().items():
                out.print(f"[green]{name:<12}[/] {url}")
            out.print("Ctrl-C stops everything.")
            _watch(servers, interrupted)
            out.print("stopping")
        stop_embedded(settings.home_path)


def _watch(servers: list[ChildServer | InferenceServer], interrupted: threading.Event) -> None:
    while not interrupted.wait(0.5):
        for server in servers:
            if not server.alive:
                raise ServingError(f"server {server.url}", why="it stopped", fix=f"Read {server.log}")


def _realtime_plugins(session: Session) -> list[Path]:
    collections = session.stores.catalog.collections.find(session.namespace.namespace_id)
    folders = {session.stores.plugins.folder(collection.plugin) for collection in collections}
    return sorted(folder for folder in folders if (folder / "realtime.py").is_file())


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
