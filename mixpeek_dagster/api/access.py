"""Who asks, and what they may reach: the only way from a request to records."""

# No postponed annotations here: FastAPI reads those of functions made inside others.

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Path, Request
from fastapi.security import HTTPBearer

from mixpeek_dagster.api.reload import GraphReload
from mixpeek_dagster.catalog.access import ApiKey, Permission
from mixpeek_dagster.catalog.tenant import NamespaceView, Tenant
from mixpeek_dagster.errors import Forbidden, InvalidRequest, NotFound
from mixpeek_dagster.operations.keys import require_key
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import Stores

# Only documents the header: `require_key` reads it, since its errors say more.
bearer = HTTPBearer(auto_error=False, description="An API key, `sk_...`; `mixpeek keys create` makes one.")


@dataclass(frozen=True)
class ApiState:
    """What the app works with.

    Args:
        trusted: the organization that all requests act for without a key; only for calls from within this process.
    """

    stores: Stores
    settings: Settings
    graph: GraphReload
    trusted: str | None = None


def state_of(request: Request) -> ApiState:
    """The app's state."""
    state: ApiState = request.app.state.api
    return state


def allow(permission: Permission) -> Callable[[Request], Tenant]:
    """The tenant of the request's key, if the key has this permission.

    Raises:
        Unauthorized: there is no valid key.
        Forbidden: the key has not got the permission.
    """

    def tenant(request: Request) -> Tenant:
        state = state_of(request)
        catalog = state.stores.catalog
        if state.trusted is not None:
            return catalog.tenant(state.trusted)
        key = require_key(catalog, request.headers.get("Authorization"))
        request.state.organization = key.organization_id
        if not key.allows(permission):
            raise _forbidden(key, permission)
        return catalog.tenant(key.organization_id)

    return tenant


def in_path(permission: Permission) -> Callable[..., NamespaceView]:
    """Dependency of routes below `/namespaces/{namespace}`; refuses keys without the permission."""

    def namespace(
        tenant: Annotated[Tenant, Depends(allow(permission))],
        namespace: Annotated[str, Path(description="Namespace, by id or name.", examples=["default"])],
    ) -> NamespaceView:
        return tenant.namespace(namespace)

    return namespace


def in_header(permission: Permission) -> Callable[..., NamespaceView]:
    """The namespace that `X-Namespace` names, by id or name."""

    def namespace(
        tenant: Annotated[Tenant, Depends(allow(permission))],
        x_namespace: Annotated[str | None, Header(description="Namespace, by id or name.")] = None,
    ) -> NamespaceView:
        if not x_namespace:
            names = ", ".join(n.namespace_name for n in tenant.namespaces.find(tenant.organization_id, limit=20))
            fix = f"Send the header `X-Namespace: NAME`. There are: {names or 'none yet'}"
            raise InvalidRequest("this request", why="it names no namespace", fix=fix)
        return tenant.namespace(x_namespace)

    return namespace


def own_organization(permission: Permission) -> Callable[..., Tenant]:
    """The organization that the path names, which must be that of the key; `me` names it, too.

    Raises:
        NotFound: it is another one; whether that exists is not said.
    """

    def organization(
        tenant: Annotated[Tenant, Depends(allow(permission))],
        organization: Annotated[str, Path(description="Organization, by id or name.", examples=["local"])],
    ) -> Tenant:
        own = tenant.catalog.organizations.get(tenant.organization_id)
        if organization not in (own.organization_id, own.organization_name, "me"):
            fix = f"This key belongs to {own.organization_name!r}"
            raise NotFound(f"organization {organization!r}", fix=fix)
        return tenant

    return organization


def require_operator(state: ApiState, what: str, why: str, fix: str) -> None:
    """Refuse what only the installation's own process may ask for, since it acts with the installation's own means.

    Raises:
        InvalidRequest: the request came from outside.
    """
    if state.trusted is None:
        raise InvalidRequest(what, why=why, fix=fix)


def _forbidden(key: ApiKey, permission: Permission) -> Forbidden:
    held = ", ".join(key.permissions)
    return Forbidden(
        f"API key {key.key_prefix}...", why=f"it may {held}, this needs {permission}", fix="Use a key that may"
    )


State = Annotated[ApiState, Depends(state_of)]
Reader = Annotated[Tenant, Depends(allow(Permission.READ))]
Writer = Annotated[Tenant, Depends(allow(Permission.WRITE))]
Remover = Annotated[Tenant, Depends(allow(Permission.DELETE))]
PathReader = Annotated[NamespaceView, Depends(in_path(Permission.READ))]
PathWriter = Annotated[NamespaceView, Depends(in_path(Permission.WRITE))]
PathRemover = Annotated[NamespaceView, Depends(in_path(Permission.DELETE))]
HeaderReader = Annotated[NamespaceView, Depends(in_header(Permission.READ))]
HeaderWriter = Annotated[NamespaceView, Depends(in_header(Permission.WRITE))]
HeaderRemover = Annotated[NamespaceView, Depends(in_header(Permission.DELETE))]
OrganizationWriter = Annotated[Tenant, Depends(own_organization(Permission.WRITE))]
OrganizationAdmin = Annotated[Tenant, Depends(own_organization(Permission.ADMIN))]
