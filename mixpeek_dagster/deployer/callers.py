"""Whom a request at the gateway is for: its key's tenant, and the namespace that it names."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass

from starlette.datastructures import Headers

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.access import Permission
from mixpeek_dagster.catalog.catalog import Catalog
from mixpeek_dagster.deployer.gateway.router import CallerScope, Refused
from mixpeek_dagster.deployer.hosting.spec import EVERYONE
from mixpeek_dagster.errors import Forbidden, MixpeekError
from mixpeek_dagster.http.envelope import Failure
from mixpeek_dagster.operations.keys import require_key
from mixpeek_dagster.processes.ports import is_loopback_address
from mixpeek_dagster.settings import Settings

_FRESH_SECONDS = 2.0
"""A key that is revoked opens nothing after this time."""
_MOST = 10_000
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


@dataclass(frozen=True)
class _Known:
    until: float
    caller: CallerScope | None
    refusal: MixpeekError | None


class Callers:
    """Identifies callers by their headers.

    Args:
        catalog: keys, namespaces and plugins.
        settings: whether a key is needed, and whose namespace is meant without one.
    """

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self._catalog = catalog
        self._settings = settings
        self._loopback = settings.inference_host == "localhost" or is_loopback_address(settings.inference_host)
        self._open = settings.inference_keys is False or (settings.inference_keys is None and self._loopback)
        self._known: dict[bytes, _Known] = {}

    async def identify(self, headers: Headers) -> CallerScope:
        """The caller; asked of the catalog at most every other second.

        Raises:
            Refused: the key is missing, wrong, or may not read; the namespace is not the tenant's.
        """
        authorization, namespace = headers.get("authorization"), headers.get("x-namespace")
        if authorization is None and self._open:
            self._refuse_foreign_pages(headers)
        # The key itself is not kept, so that no dump of this process shows it.
        name = hashlib.sha256(f"{authorization}\n{namespace}".encode()).digest()
        known = self._known.get(name)
        if known is None or known.until < time.monotonic():
            known = await asyncio.to_thread(self._look_up, authorization, namespace)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[name] = known
        if known.caller is None:
            assert known.refusal is not None
            raise Refused(Failure.of(known.refusal))
        return known.caller

    async def explain(self, caller: CallerScope, route: str) -> str:
        """Why a caller has no deployment on a route; empty if nothing is known of it."""
        name, _, version = route.strip("/").partition("/")
        if not caller.namespace_id:
            return "no namespace is named, so only built-in models are there; send the header `X-Namespace: NAME`"
        plugin_id = f"{name}_{version}"
        plugin = await asyncio.to_thread(self._catalog.plugins.find_one, caller.namespace_id, plugin_id)
        if plugin is None:
            return ""
        state = plugin.deployment
        return f"plugin {plugin_id!r} is {state.status}: {state.reason}. `mixpeek plugin deploy {plugin_id}` deploys it"

    def _look_up(self, authorization: str | None, namespace: str | None) -> _Known:
        until = time.monotonic() + _FRESH_SECONDS
        try:
            return _Known(until, self._find(authorization, namespace), None)
        except MixpeekError as error:
            return _Known(until, None, error)

    def _find(self, authorization: str | None, namespace: str | None) -> CallerScope:
        own = ids.organization_id(self._settings.organization)
        organization = own
        if authorization is not None or not self._open:
            key = require_key(self._catalog, authorization)
            if not key.allows(Permission.READ):
                raise Forbidden(f"API key {key.key_prefix}...", why="it may not read")
            organization = key.organization_id
        if namespace is None and organization != own:
            return CallerScope(EVERYONE)
        return CallerScope(self._catalog.tenant(organization).namespace(namespace or self._settings.namespace).id)

    def _refuse_foreign_pages(self, headers: Headers) -> None:
        """Without keys, a web page that somebody has open on this machine must not reach the endpoints.

        Raises:
            Refused: the request comes from a page of another origin, or under another name than this machine's.
        """
        host = headers.get("x-forwarded-host") or headers.get("host", "")
        origin = headers.get("origin")
        if self._loopback and host.rpartition(":")[0] not in _LOOPBACK and host not in _LOOPBACK:
            raise Refused(Failure(403, f"host {host!r} is not this machine; call 127.0.0.1"))
        if origin is not None and origin.partition("://")[2] != host:
            raise Refused(Failure(403, f"pages of {origin} may not call this without an API key"))
