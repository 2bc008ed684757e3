"""`mixpeek keys`: API keys of an organization."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.remote import Api, named, open_api
from mixpeek_dagster.settings import Settings

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)
_Organization = Annotated[
    str | None, typer.Option(help="Organization; that of the settings, or of MIXPEEK_API_KEY, if not given.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    permission: Annotated[list[Permission] | None, typer.Option(help="May be given several times.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never if not given.")] = None,
    organization: _Organization = None,
    as_json: _Json = False,
) -> None:
    """Make a key; it is shown this once. On the stores, an organization that is new is made, with a namespace."""
    expires = (datetime.now(UTC) + timedelta(days=days)).isoformat() if days else None
    wanted = permission or [Permission.READ, Permission.WRITE]
    body = {"name": name, "permissions": [item.value for item in wanted], "expires_at": expires}
    with _keys_of(organization) as (api, path):
        key = api.call("POST", path, json=body)
    if as_json:
        print_json(key)
        return
    owner = f" of organization {organization}" if organization else ""
    out.print(f"[green]created[/] key {key['key_id']}{owner}: may {', '.join(key['permissions'])}")
    out.print(f"[bold]{key['key']}[/]  (shown this once)", soft_wrap=True)


@app.command("list")
def list_(organization: _Organization = None, as_json: _Json = False) -> None:
    """List an organization's keys."""
    with _keys_of(organization) as (api, path):
        keys = api.call("GET", path)["results"]
    if as_json:
        print_json(keys)
        return
    table = Table("key", "begins", "name", "may", "status", "expires", header_style="bold")
    for key in keys:
        expires = key["expires_at"][:10] if key["expires_at"] else "never"
        may = ", ".join(key["permissions"])
        table.add_row(key["key_id"], key["key_prefix"], key["name"], may, key["status"], expires)
    out.print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key.")],
    organization: _Organization = None,
    as_json: _Json = False,
) -> None:
    """Make a key open nothing from now on."""
    with _keys_of(organization) as (api, path):
        key = api.call("DELETE", f"{path}/{named('API key', key_id)}")
    if as_json:
        print_json(key)
        return
    out.print(f"[green]revoked[/] {key_id}")


@contextmanager
def _keys_of(organization: str | None) -> Iterator[tuple[Api, str]]:
    """The API and the path of an organization's keys: on the stores of any, at a server of the key's own."""
    settings = Settings.load()
    if organization is not None and not settings.api_url:
        settings = settings.model_copy(update={"organization": organization})
    with open_api(settings) as api:
        yield api, f"/organizations/{named('organization', organization or 'me')}/api-keys"
