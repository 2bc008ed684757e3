"""The verbs of `mixpeek plugin` that work on registered plugins."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.options import key_json
from mixpeek_dagster.cli.remote import Api, open_api
from mixpeek_dagster.cli.report import print_problems

_PluginId = Annotated[str, typer.Argument(help="Id of the plugin, e.g. my_extractor_1_0_0.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Watch = Annotated[bool, typer.Option(help="Follow the deployment to its end.")]
_POLL_SECONDS = 1.0
_ENDED = ("DEPLOYED", "FAILED", "NOT_DEPLOYED")
_COLOURS = {"DEPLOYED": "green", "FAILED": "red", "NOT_DEPLOYED": "dim"}


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command("list")(list_)
    app.command()(show)
    app.command()(deploy)
    app.command()(status)
    app.command()(undeploy)
    app.command()(delete)
    app.command()(enable)
    app.command()(disable)


def list_(
    available: Annotated[bool, typer.Option(help="Also those of the organization's other namespaces.")] = False,
    as_json: _Json = False,
) -> None:
    """List the namespace's plugins."""
    with open_api() as api:
        reply = api.call("GET", _path(api, "/available" if available else ""))
    if as_json:
        print_json(reply["plugins"])
        return
    table = Table("plugin", "vectors", "validation", "enabled", "realtime", header_style="bold")
    for plugin in reply["plugins"]:
        vectors = ", ".join(f"{f['name']} ({f['dimension']})" for f in plugin["manifest"].get("features", ()))
        enabled = plugin.get("enabled_in_namespace", plugin["enabled"])
        state = plugin["deployment_info"]["status"]
        table.add_row(plugin["plugin_id"], vectors, plugin["validation_status"], "yes" if enabled else "no", state)
    out.print(table if reply["plugins"] else f"no plugins in namespace {api.namespace}; `mixpeek plugin push` adds one")


def show(plugin_id: _PluginId, as_json: _Json = False) -> None:
    """Show all that is known of a plugin."""
    with open_api() as api:
        plugin = api.call("GET", _path(api, f"/{plugin_id}"))["plugin"]
    if as_json:
        print_json(plugin)
        return
    shown = ("plugin_id", "description", "validation_status", "enabled", "params", "feature_uri", "code_hash")
    for name in (*shown, "s3_archive_url", "created_at"):
        out.print(f"[bold]{name:<18}[/] {escape(str(plugin[name]))}", soft_wrap=True)
    for feature in plugin["manifest"].get("features", ()):
        out.print(f"[bold]{'vector':<18}[/] {feature['name']}, {feature['dimension']}, {feature['distance']}")
    out.print(f"[bold]{'steps':<18}[/] {' -> '.join(plugin['manifest'].get('steps', ()))}")
    deployment = plugin["deployment_info"]
    out.print(f"[bold]{'realtime':<18}[/] {deployment['status']}: {escape(deployment['reason'])}", soft_wrap=True)
    print_problems(plugin["validation_errors"])


def deploy(
    plugin_id: _PluginId,
    batch_only: Annotated[bool, typer.Option(help="No realtime endpoint.")] = False,
    skip_probe: Annotated[bool, typer.Option(help="Do not compare it with the batch path.")] = False,
    watch: _Watch = False,
    as_json: _Json = False,
) -> None:
    """Queue a plugin's realtime endpoint for the deployer."""
    with open_api() as api:
        options = {"deployment_type": "batch_only"} if batch_only else {}
        if skip_probe:
            options["probe"] = "false"
        reply = api.call("POST", _path(api, f"/{plugin_id}/deploy"), params=options)
        final = _follow(api, plugin_id, quiet=as_json) if watch else reply
    if as_json:
        print_json(final)
    elif not watch:
        out.print(f"{reply['status']}: {escape(reply['message'])}")
    raise typer.Exit(1 if final["status"] == "FAILED" else 0)


def status(plugin_id: _PluginId, watch: _Watch = False, as_json: _Json = False) -> None:
    """Show how far a plugin's deployment has come; exit code 1 if it FAILED."""
    with open_api() as api:
        reply = _follow(api, plugin_id, quiet=as_json) if watch else api.call("GET", _path(api, f"/{plugin_id}/status"))
    if as_json:
        print_json(reply)
    elif not watch:
        _print_status(reply)
    raise typer.Exit(1 if reply["status"] == "FAILED" else 0)


def undeploy(plugin_id: _PluginId, as_json: _Json = False) -> None:
    """Take a plugin's realtime endpoint away."""
    with open_api() as api:
        reply = api.call("POST", _path(api, f"/{plugin_id}/undeploy"))
    if as_json:
        print_json(reply)
    else:
        _print_status(reply)


def delete(plugin_id: _PluginId, as_json: _Json = False) -> None:
    """Delete a plugin; refused while collections use it."""
    with open_api() as api:
        _done(api.call("DELETE", _path(api, f"/{plugin_id}")), as_json)


def enable(
    plugin_id: _PluginId,
    param: Annotated[list[str] | None, typer.Option(help="key=value, a default for collections; may be JSON.")] = None,
    as_json: _Json = False,
) -> None:
    """Make a plugin of the organization usable in this namespace."""
    params = key_json("--param", param) if param else None
    with open_api() as api:
        _done(api.call("POST", _path(api, f"/org/{plugin_id}/enable"), json={"params": params}), as_json)


def disable(plugin_id: _PluginId, as_json: _Json = False) -> None:
    """Refuse a plugin to new collections; refused while collections use it."""
    with open_api() as api:
        _done(api.call("POST", _path(api, f"/org/{plugin_id}/disable")), as_json)


def _path(api: Api, rest: str) -> str:
    return f"/namespaces/{api.namespace}/plugins{rest}"


def _follow(api: Api, plugin_id: str, *, quiet: bool) -> dict[str, Any]:
    shown = None
    while True:
        reply = api.call("GET", _path(api, f"/{plugin_id}/status"))
        if not quiet and (reply["status"], reply["message"]) != shown:
            _print_status(reply)
            shown = reply["status"], reply["message"]
        if reply["status"] in _ENDED:
            return reply
        time.sleep(_POLL_SECONDS)


def _print_status(reply: dict[str, Any]) -> None:
    colour = _COLOURS.get(reply["status"], "yellow")
    out.print(f"[{colour}]{reply['status']}[/] {escape(reply['message'])}", soft_wrap=True)


def _done(reply: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(reply)
    else:
        out.print(f"[green]done[/] {escape(reply['message'])}", soft_wrap=True)
