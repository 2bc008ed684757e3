"""The verbs of `mixpeek plugin` that take its realtime endpoint elsewhere: a Bento, and Kubernetes manifests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer

from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.remote import open_api
from mixpeek_dagster.errors import InvalidRequest, NotFound, PluginError, StoreUnavailable
from mixpeek_dagster.plugins.archive import unpack
from mixpeek_dagster.plugins.checks.check import declared_identity
from mixpeek_dagster.plugins.manifest import normal_version
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import archive_limits

_Source = Annotated[str, typer.Argument(help="Id of a registered plugin, or a plugin folder.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SECONDS = 300.0


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(bento)
    app.command("manifests")(manifests_)


def bento(
    source: _Source,
    output: Annotated[Path | None, typer.Option(help="Also export it: a .bento file, or a folder for it.")] = None,
    as_json: _Json = False,
) -> None:
    """Build a Bento of a plugin's realtime endpoint, to serve or to make an image of."""
    from serving.packaging.bento import build_bento

    with _plugin(source) as plugin:
        made = build_bento(plugin.folder, output=output)
    if as_json:
        print_json({"tag": made.tag, "file": str(made.file) if made.file else None})
        return
    out.print(f"[green]built[/] {made.tag}", soft_wrap=True)
    if made.file:
        out.print(f"[green]exported[/] {made.file}", soft_wrap=True)
    out.print(f"serve: bentoml serve {made.tag}", soft_wrap=True)
    out.print(f"image: bentoml containerize {made.tag}", soft_wrap=True)
    out.print("Models are not in it: set MIXPEEK_MODELS where it runs, or let it reach the hub.", soft_wrap=True)


def manifests_(
    source: _Source,
    image: Annotated[str, typer.Option(help="Image that `bentoml containerize` made, as the cluster pulls it.")],
    cpus: Annotated[int, typer.Option(min=1, help="CPUs of a replica, also its threads.")] = 2,
    memory: Annotated[str, typer.Option(help="Memory of a replica, such as 4Gi.")] = "4Gi",
    gpu: Annotated[int, typer.Option(min=0, help="NVIDIA GPUs of a replica.")] = 0,
    replicas: Annotated[int, typer.Option(min=1, help="Replicas at least.")] = 1,
    max_replicas: Annotated[int | None, typer.Option(min=1, help="Replicas at most; none = no autoscaler.")] = None,
    models_claim: Annotated[str | None, typer.Option(help="PersistentVolumeClaim with the model store.")] = None,
    output: Annotated[Path | None, typer.Option(help="File to write; printed if not given.")] = None,
) -> None:
    """Write Kubernetes manifests of a plugin's realtime endpoint."""
    import yaml

    from serving.packaging.kubernetes import ReplicaNeeds, manifests

    with _plugin(source) as plugin:
        name, version = plugin.name, plugin.version
    needs = ReplicaNeeds(cpus, memory, gpu, replicas, max_replicas, models_claim)
    text = yaml.safe_dump_all(manifests(name, version, image, needs, Settings.load()), sort_keys=False)
    if output is None:
        out.file.write(text)
        return
    output.write_text(text, encoding="utf-8")
    out.print(f"[green]written[/] {output}; next: kubectl apply -f {output}", soft_wrap=True)


@dataclass(frozen=True)
class _Plugin:
    """A plugin on this machine."""

    folder: Path
    name: str
    version: str


@contextmanager
def _plugin(source: str) -> Iterator[_Plugin]:
    """The plugin's folder; a registered one is fetched for as long as the block takes."""
    settings = Settings.load()
    if Path(source).is_dir():
        name, version = declared_identity(Path(source), archive_limits(settings))
        yield _of_realtime(_Plugin(Path(source), name, normal_version(version) or version))
        return
    with tempfile.TemporaryDirectory(prefix="mixpeek-plugin-") as work:
        archive = Path(work) / "plugin.zip"
        with open_api(settings) as api:
            path = f"/namespaces/{api.namespace}/plugins/{source}"
            reply = api.call("GET", path, params={"return_presigned_urls": True})
            _fetch(reply["presigned_download_url"], archive)
        found = reply["plugin"]
        if unpack(archive, Path(work) / found["name"], archive_limits(settings)) != found["code_hash"]:
            raise PluginError(f"plugin {source!r}", why="its archive does not hold the code it was registered with")
        yield _of_realtime(_Plugin(Path(work) / found["name"], found["name"], found["version"]))


def _of_realtime(plugin: _Plugin) -> _Plugin:
    if (plugin.folder / "realtime.py").is_file():
        return plugin
    raise InvalidRequest(f"plugin {plugin.name!r}", why="it has no realtime.py", fix="Add one: this is for endpoints")


def _fetch(url: str, archive: Path) -> None:
    try:
        with httpx.stream("GET", url, timeout=_SECONDS) as reply, archive.open("wb") as target:
            if not reply.is_success:
                raise NotFound("the plugin's archive", why=f"S3 answered {reply.status_code}")
            for piece in reply.iter_bytes():
                target.write(piece)
    except httpx.TransportError as error:
        raise StoreUnavailable("the plugin's archive", why=f"S3 does not answer: {error}") from None
