"""`mixpeek infer`: one call to a built-in service or a deployed plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from mixpeek_dagster.cli.console import out, print_json
from mixpeek_dagster.cli.options import key_json
from mixpeek_dagster.cli.remote import open_api
from mixpeek_dagster.errors import InvalidRequest

_URI = "mixpeek://"
_SHOWN = 5


def infer(
    name: Annotated[
        str | None, typer.Argument(help="Service, plugin id or feature URI; lists them if left out.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A text; several are one call with all of them.")] = None,
    input_: Annotated[list[str] | None, typer.Option("--input", help="key=value of the inputs; may be JSON.")] = None,
    parameter: Annotated[list[str] | None, typer.Option(help="key=value of the parameters; may be JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a built-in service or a deployed plugin in realtime."""
    if name is None:
        _list(as_json)
        return
    inputs = _inputs(text or [], input_)
    way = "feature_uri" if name.startswith(_URI) else "inference_name"
    wanted = {way: name, "inputs": inputs, "parameters": key_json("--parameter", parameter)}
    with open_api() as api:
        reply = api.call("POST", "/inference", json=wanted)
    if as_json:
        print_json(reply)
    else:
        _print_reply(reply)


def _inputs(texts: list[str], given: list[str] | None) -> dict[str, Any]:
    inputs = key_json("--input", given)
    if texts:
        inputs |= {"text": texts[0]} if len(texts) == 1 else {"texts": texts}
    if not inputs:
        raise InvalidRequest("a call", why="it has no inputs", fix="Give --text WORDS or --input key=value")
    return inputs


def _list(as_json: bool) -> None:
    with open_api() as api:
        reply = api.call("GET", "/inference")
    if as_json:
        print_json(reply)
        return
    table = Table("name", "kind", "numbers", "model", "route", header_style="bold")
    for known in reply["results"]:
        plugin = known["source"] == "plugin"
        model = ", ".join(known["vectors"]) if plugin else f"{known['provider']}/{known['model']}"
        numbers = str(known["dimension"] or "-")
        table.add_row(known["inference_name"], known["kind"], numbers, escape(model), known["route"])
    out.print(table)
    out.print(f"gateway: {reply['gateway'] or 'none runs on this home folder; `mixpeek up` starts it'}", soft_wrap=True)


def _print_reply(reply: Mapping[str, Any]) -> None:
    for key, value in reply["data"].items():
        out.print(f"[bold]{escape(key):<14}[/] {escape(_short(value))}", soft_wrap=True)
    out.print(f"[dim]{reply['provider']}/{reply['model']} in {reply['latency_ms']:g} ms[/]", soft_wrap=True)


def _short(value: Any) -> str:
    """A value on a line: of vectors the first numbers."""
    if not isinstance(value, list):
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    if value and all(isinstance(item, list) for item in value):
        return f"{len(value)} x {_short(value[0])}"
    if value and all(isinstance(item, int | float) for item in value):
        more = ", ..." if len(value) > _SHOWN else ""
        return f"{len(value)} numbers [{', '.join(f'{number:.4g}' for number in value[:_SHOWN])}{more}]"
    return orjson.dumps(value).decode()
