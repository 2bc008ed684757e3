"""`mixpeek keys`: API keys of an organization."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.session import open_session
from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.operations.keys import issue_key

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)
_Organization = Annotated[str | None, typer.Option(help="Organization; that of the settings if not given.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    permission: Annotated[list[Permission] | None, typer.Option(help="May be given several times.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never if not given.")] = None,
    organization: _Organization = None,
    as_json: _Json = False,
) -> None:
    """Make a key; it is shown this once. An organization that is new is made, with a default namespace."""
    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    with open_session() as session:
        catalog, settings = session.stores.catalog, session.settings
        owner = organization or settings.organization
        namespace = catalog.ensure_namespace(settings.namespace, owner)
        wanted = permission or [Permission.READ, Permission.WRITE]
        key, secret = issue_key(catalog, namespace.organization_id, name, wanted, expires)
    if as_json:
        print_json({"key": secret, **key.model_dump(mode="json", exclude={"key_hash"})})
        return
    out.print(f"[green]created[/] key {key.key_id} of organization {owner}: may {', '.join(key.permissions)}")
    out.print(f"[bold]{secret}[/]  (shown this once)", soft_wrap=True)


@app.command("list")
def list_(organization: _Organization = None, as_json: _Json = False) -> None:
    """List an organization's keys."""
    with open_session() as session:
        owner = session.stores.catalog.ensure_organization(organization or session.settings.organization)
        keys = session.stores.catalog.api_keys.find(owner.organization_id)
    if as_json:
        print_json([{"status": key.status, **key.model_dump(mode="json", exclude={"key_hash"})} for key in keys])
        return
    table = Table("key", "begins", "name", "may", "status", "expires", header_style="bold")
    for key in keys:
        expires = f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "never"
        table.add_row(key.key_id, key.key_prefix, key.name, ", ".join(key.permissions), key.status, expires)
    out.print(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="Id of the key.")], organization: _Organization = None) -> None:
    """Make a key open nothing from now on."""
    with open_session() as session:
        owner = session.stores.catalog.ensure_organization(organization or session.settings.organization)
        keys = session.stores.catalog.api_keys.within(organization_id=owner.organization_id)
        if not keys.revoke(key_id):
            raise NotFound(f"API key {key_id!r}", why="there is none of that id that is not revoked")
    out.print(f"[green]revoked[/] {key_id}")
