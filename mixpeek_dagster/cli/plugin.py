"""`mixpeek plugin`: plugins from a folder on the laptop to something that a namespace can use."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from mixpeek_dagster.cli import plugin_server
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.remote import open_api, put_archive
from mixpeek_dagster.cli.report import print_problems, print_report
from mixpeek_dagster.errors import InvalidRequest, PluginRejected
from mixpeek_dagster.plugins.archive import pack as pack_plugin
from mixpeek_dagster.plugins.checks.check import check_plugin, declared_identity
from mixpeek_dagster.plugins.checks.sarif import to_sarif
from mixpeek_dagster.plugins.scaffold import new_plugin
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import archive_limits

app = typer.Typer(help="Write, check, push and deploy plugins.", no_args_is_help=True)
plugin_server.add_to(app)

_Source = Annotated[Path, typer.Argument(help="Plugin folder or zip.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the plugin.")],
    kind: Annotated[str, typer.Option(help="text, image, vlm or multi-step.")] = "text",
    into: Annotated[Path, typer.Option(help="Folder to write it in.")] = Path(),
) -> None:
    """Write a plugin that passes its check and its own tests, to start from."""
    folder = new_plugin(name, kind, into)
    out.print(f"[green]written[/] {folder}", soft_wrap=True)
    out.print(f"next: mixpeek plugin check {folder}; pytest {folder}", soft_wrap=True)


@app.command()
def check(
    source: _Source,
    as_json: _Json = False,
    format: Annotated[str, typer.Option("--format", help="text, json or sarif.")] = "text",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse what the security scan cannot decide.")] = False,
) -> None:
    """Print every problem of a plugin with its place and its fix; exit code 1 if one is an error."""
    wanted = "json" if as_json else format
    if wanted not in ("text", "json", "sarif"):
        raise InvalidRequest(f"--format {format}", why="it is not known", fix="Use text, json or sarif")
    report = check_plugin(source, limits=archive_limits(Settings.load()), strict=strict)
    if wanted == "json":
        print_json(report.to_dict())
    elif wanted == "sarif":
        print_json(to_sarif(report))
    else:
        print_report(report)
    raise typer.Exit(0 if report.passed else 1)


@app.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Plugin folder.")],
    to: Annotated[Path | None, typer.Option("--to", help="Zip to write; NAME.zip here if not given.")] = None,
    as_json: _Json = False,
) -> None:
    """Write a plugin's zip; the same content gives the same bytes."""
    archive = to or Path(f"{folder.resolve().name}.zip")
    code_hash = pack_plugin(folder, archive, archive_limits(Settings.load()))
    size = archive.stat().st_size
    if as_json:
        print_json({"archive": str(archive), "bytes": size, "code_hash": code_hash})
    else:
        out.print(f"[green]packed[/] {archive} ({size:,} bytes) code {code_hash[:12]}", soft_wrap=True)


@app.command()
def push(
    source: _Source,
    check_first: Annotated[bool, typer.Option("--check/--no-check", help="Check here before sending it.")] = True,
    replace: Annotated[bool, typer.Option(help="Replace this version, if no collection uses it.")] = False,
    as_json: _Json = False,
) -> None:
    """Check a plugin, send it, and register it in the namespace."""
    settings = Settings.load()
    if check_first:
        report = check_plugin(source, limits=archive_limits(settings))
        if not report.passed:
            print_report(report)
            raise typer.Exit(1)
    name, version = declared_identity(source, archive_limits(settings))
    with tempfile.TemporaryDirectory(prefix="mixpeek-push-") as work, open_api(settings) as api:
        archive = source
        if source.is_dir():
            archive = Path(work) / f"{name}.zip"
            pack_plugin(source, archive, archive_limits(settings))
        wanted = {"name": name, "version": version, "file_size_bytes": archive.stat().st_size}
        upload = api.call("POST", f"/namespaces/{api.namespace}/plugins/uploads", json=wanted)
        put_archive(upload["presigned_url"], archive)
        path = f"/namespaces/{api.namespace}/plugins/uploads/{upload['upload_id']}/confirm"
        try:
            reply = api.call("POST", path, json={"replace": replace})
        except PluginRejected as error:
            print_problems(error.validation_errors)
            raise
    if as_json:
        print_json(reply)
        return
    out.print(f"[green]registered[/] [bold]{reply['plugin_id']}[/] in namespace {api.namespace}")
    out.print(f"next: mixpeek collection create NAME --plugin {reply['plugin_id']} --bucket BUCKET", soft_wrap=True)
