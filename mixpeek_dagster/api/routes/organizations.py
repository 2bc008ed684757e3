"""The organization of the key, its API keys, and its plugins in a namespace."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path
from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.api.access import OrganizationAdmin, OrganizationWriter, Reader, State
from mixpeek_dagster.api.schemas.plugins import EnablePlugin, PluginEnabled, enabled_reply
from mixpeek_dagster.catalog.access import ApiKey, KeyStatus, Organization, Permission
from mixpeek_dagster.operations.keys import issue_key
from mixpeek_dagster.operations.plugins import disable_plugin, enable_plugin

router = APIRouter(prefix="/organizations", tags=["organizations"])


class CreateKey(BaseModel):
    """What a new key may do, and until when."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, examples=["ci"])
    permissions: list[Permission] = Field(min_length=1, examples=[["read", "write"]])
    expires_at: datetime | None = Field(None, description="When it stops to open anything; with a time zone.")


class Key(BaseModel):
    """A key as it is shown: never the key itself."""

    key_id: str
    organization_id: str
    name: str
    key_prefix: str = Field(description="Its first characters.", examples=["sk_3fWq8Xa"])
    permissions: list[Permission]
    status: KeyStatus
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    @classmethod
    def of(cls, key: ApiKey) -> Key:
        """What is shown of a key's record."""
        return cls(status=key.status, **key.model_dump(include=set(cls.model_fields) - {"status"}))


class NewKey(Key):
    """A key that was just made."""

    key: str = Field(description="The key itself. It is shown this once.")


class Keys(BaseModel):
    """An organization's keys."""

    success: Literal[True] = True
    results: list[Key]


_KeyId = Annotated[str, Path(description="Id of the key.", examples=["key_5f0c9a1b2c3d"])]
_PluginId = Annotated[str, Path(description="Id of the plugin.", examples=["my_extractor_1_0_0"])]
_Namespace = Annotated[str | None, Header(alias="X-Namespace", description="Namespace; the default one if not given.")]


@router.get("/me", summary="The organization of this key")
def get_organization(tenant: Reader) -> Organization:
    """Answers whom a key belongs to, whatever it may do."""
    return tenant.catalog.organizations.get(tenant.organization_id)


@router.post("/{organization}/api-keys", status_code=201, summary="Make an API key")
def create_api_key(tenant: OrganizationAdmin, wanted: CreateKey) -> NewKey:
    """The reply holds the key itself; only a hash of it is kept."""
    expires = wanted.expires_at.astimezone() if wanted.expires_at else None
    key, secret = issue_key(tenant.catalog, tenant.organization_id, wanted.name, wanted.permissions, expires)
    return NewKey(key=secret, **Key.of(key).model_dump())


@router.get("/{organization}/api-keys", summary="List API keys")
def list_api_keys(tenant: OrganizationAdmin) -> Keys:
    """All keys of the organization, revoked and expired ones too."""
    return Keys(results=[Key.of(key) for key in tenant.keys.find(tenant.organization_id)])


@router.delete("/{organization}/api-keys/{key_id}", summary="Revoke an API key")
def revoke_api_key(tenant: OrganizationAdmin, key_id: _KeyId) -> Key:
    """From now on it opens nothing."""
    tenant.keys.get(key_id)
    tenant.keys.revoke(key_id)
    return Key.of(tenant.keys.get(key_id))


@router.post("/{organization}/plugins/{plugin_id}/enable", summary="Enable a plugin in a namespace")
def enable_organization_plugin(
    tenant: OrganizationWriter,
    state: State,
    plugin_id: _PluginId,
    wanted: EnablePlugin | None = None,
    x_namespace: _Namespace = None,
) -> PluginEnabled:
    """Make a plugin of any of the organization's namespaces usable in this one, with default parameters."""
    view = tenant.namespace(x_namespace or state.settings.namespace)
    params = wanted.params if wanted else None
    return enabled_reply(enable_plugin(tenant, view, plugin_id, params), params)


@router.post("/{organization}/plugins/{plugin_id}/disable", summary="Disable a plugin in a namespace")
def disable_organization_plugin(
    tenant: OrganizationWriter, state: State, plugin_id: _PluginId, x_namespace: _Namespace = None
) -> PluginEnabled:
    """Refused while collections use it."""
    return enabled_reply(disable_plugin(tenant.namespace(x_namespace or state.settings.namespace), plugin_id), None)
