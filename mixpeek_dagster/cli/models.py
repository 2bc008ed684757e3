"""`mixpeek models`: models of this installation's store, and those of the namespace."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mixpeek_dagster.catalog.models import ModelFormat
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.remote import open_api, put_archive, require_local
from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.models.adding import ModelLibrary, checked_files
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.models.hub import HUB_OFF, hub_is_off
from mixpeek_dagster.models.loading import download, find_model
from mixpeek_dagster.models.packaged import write_packaged_models
from mixpeek_dagster.models.store import not_found
from mixpeek_dagster.plugins.archive import pack_files
from mixpeek_dagster.stores import open_stores

app = typer.Typer(help="Add, list, pull and remove models; upload those of a namespace.", no_args_is_help=True)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_ModelId = Annotated[str, typer.Argument(help="org/name.")]
_FORMATS = {".safetensors": ModelFormat.SAFETENSORS, ".pt": ModelFormat.PYTORCH, ".pth": ModelFormat.PYTORCH}
_FORMATS |= {".bin": ModelFormat.PYTORCH, ".zip": ModelFormat.HUGGINGFACE, ".gz": ModelFormat.HUGGINGFACE}
_FORMATS |= {".tgz": ModelFormat.HUGGINGFACE}


@app.command()
def add(
    folder: Annotated[Path | None, typer.Argument(help="Folder with config.json and safetensors weights.")] = None,
    model_id: Annotated[str | None, typer.Option("--id", help="org/name that it is loaded by.")] = None,
    packaged: Annotated[bool, typer.Option("--packaged", help="Add the models that installed packages carry.")] = False,
    as_json: _Json = False,
) -> None:
    """Copy a model into the store: MIXPEEK_MODELS, a folder or an s3:// prefix."""
    if packaged == (folder is not None) or (folder is None) != (model_id is None):
        raise InvalidRequest("models add", why="it takes FOLDER --id org/name, or --packaged alone")
    with _library("add") as library, tempfile.TemporaryDirectory(prefix="mixpeek-add-") as work:
        library.prepare()
        there = {model.model_id for model in library.models() if model.place == library.place}
        sources = write_packaged_models(Path(work), there) if packaged else {str(model_id): folder or Path()}
        added = [
            {"model_id": name, "place": library.place, "bytes": library.add(source, name)}
            for name, source in sources.items()
        ]
    if as_json:
        print_json(added if packaged else added[0])
        return
    for model in added:
        out.print(f"[green]added[/] [bold]{model['model_id']}[/] ({model['bytes']:,} bytes) to {model['place']}")
    if not added:
        out.print("nothing to add: every packaged model is there")


@app.command("list")
def list_(as_json: _Json = False) -> None:
    """List the models that can be loaded without the hub, and those of the namespace."""
    with open_api() as api:
        stored = [{"kind": "id", **model} for model in api.call("GET", "/model-store")["models"]]
        reply = api.call("GET", f"/namespaces/{api.namespace}/models", params={"limit": 1000})
        namespace = api.namespace
    uploaded = [
        {"kind": "namespace", "model_id": m["model_id"], "place": f"namespace {namespace}", "size": m["bytes"]}
        | {"cached": m["cached"]}
        for m in reply["models"]
    ]
    if as_json:
        print_json([*stored, *uploaded])
        return
    table = Table("model", "place", "MB", "on this machine", header_style="bold")
    for model in (*stored, *uploaded):
        size = f"{model['size'] / 1e6:,.1f}" if model["size"] else "-"
        table.add_row(model["model_id"], escape(model["place"]), size, "yes" if model["cached"] else "no")
    out.print(table if stored or uploaded else "no models; `mixpeek models add --packaged` adds two small ones")


@app.command()
def pull(
    model_id: _ModelId,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit at the hub.")] = None,
    as_json: _Json = False,
) -> None:
    """Fetch a model to this machine: from the store, else from the hub."""
    with _library("pull"):
        if revision is None:
            path = find_model(model_id)
        elif hub_is_off():
            raise not_found(model_id, HUB_OFF)
        else:
            path = download(model_id, revision)
    if as_json:
        print_json({"model_id": model_id, "path": str(path)})
    else:
        out.print(f"[green]here[/] [bold]{model_id}[/] in {path}", soft_wrap=True)


@app.command()
def rm(
    model_id: Annotated[str, typer.Argument(help="org/name, or the id of a model of the namespace.")],
    as_json: _Json = False,
) -> None:
    """Take a model out of the store and off this machine; or delete one of the namespace."""
    reply: dict[str, Any] = {"model_id": model_id, "message": f"model {model_id} was removed"}
    if "/" in model_id:
        with _library("rm") as library:
            library.remove(model_id)
    else:
        with open_api() as api:
            reply = api.call("DELETE", f"/namespaces/{api.namespace}/models/{model_id}")
    if as_json:
        print_json(reply)
    else:
        out.print(f"[green]done[/] {escape(reply['message'])}", soft_wrap=True)


@app.command()
def upload(
    path: Annotated[Path, typer.Argument(help="safetensors file, state dict (.pt, .bin), folder, .zip or .tar.gz.")],
    name: Annotated[str, typer.Option(help="Name of the model.")],
    version: Annotated[str, typer.Option(help="X.Y.Z; it never changes.")],
    description: Annotated[str, typer.Option(help="What it is.")] = "",
    as_json: _Json = False,
) -> None:
    """Upload a model to the namespace, for `load_namespace_model`."""
    with tempfile.TemporaryDirectory(prefix="mixpeek-upload-") as work, open_api() as api:
        file, model_format = _file_to_send(path, Path(work))
        wanted = {"name": name, "version": version, "model_format": model_format.value, "description": description}
        base = f"/namespaces/{api.namespace}/models/uploads"
        promised = api.call("POST", base, json={**wanted, "file_size_bytes": file.stat().st_size})
        put_archive(promised["presigned_url"], file)
        reply = api.call("POST", f"{base}/{promised['upload_id']}/confirm", json={})
    if as_json:
        print_json(reply)
        return
    out.print(f"[green]uploaded[/] [bold]{reply['model_id']}[/] to namespace {api.namespace}")
    out.print(f'next: weights = load_namespace_model("{reply["model_id"]}")', soft_wrap=True)


def _file_to_send(path: Path, work: Path) -> tuple[Path, ModelFormat]:
    if path.is_dir():
        archive = work / "model.zip"
        pack_files(checked_files(path), archive)
        return archive, ModelFormat.HUGGINGFACE
    if not path.is_file():
        raise InvalidRequest(f"model {str(path)!r}", why="there is no such file or folder")
    if path.suffix not in _FORMATS:
        fix = f"Use one of {', '.join(_FORMATS)}, or a folder"
        raise InvalidRequest(f"model {path.name!r}", why="its ending says no format", fix=fix)
    return path, _FORMATS[path.suffix]


@contextmanager
def _library(verb: str) -> Iterator[ModelLibrary]:
    settings = require_local(f"models {verb}", "it works on the models of this machine")
    use_cache(settings.models_path, settings.models_folder)
    if settings.models_url is None:
        yield ModelLibrary(settings.models_path, settings.models_folder, None)
        return
    with open_stores(settings) as stores:
        yield ModelLibrary(settings.models_path, settings.models_folder, stores.models)
