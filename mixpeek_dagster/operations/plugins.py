"""Plugins of a namespace: entering, enabling, and deleting them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mixpeek_dagster.catalog.plugins import Deployment, PluginRecord, plugin_record_id
from mixpeek_dagster.catalog.tenant import NamespaceView, Tenant
from mixpeek_dagster.errors import AlreadyExists, InUse, InvalidRequest, NotFound, PluginError
from mixpeek_dagster.plugins.parameters import parameter_problems
from mixpeek_dagster.stores import Stores

_ATTEMPTS = 5


def register_plugin(
    stores: Stores, view: NamespaceView, record: PluginRecord, archive: Path, *, replace: bool = False
) -> PluginRecord:
    """Enter a plugin: first its archive, then its record, so that no record points at nothing.

    Args:
        replace: other content may take the place of what this version holds, while no collection uses it. What is
            deployed goes on with the code it has until it is deployed again.

    Returns:
        The record; the one that is there already if it has the same content. One that failed its validation takes the
        place of none that has passed.

    Raises:
        AlreadyExists: the version is there with other content.
        InUse: it is to be replaced, and collections use it.
        VectorClash: the namespace holds a vector of that name with another size or distance.
    """
    if record.validation_status == "passed":
        vectors = [(v.name, v.dimensions, v.distance) for v in record.vector_indexes]
        stores.index.refuse_clashes(view.id, vectors)
    for _ in range(_ATTEMPTS):
        known = view.plugins.find_one(view.id, record.plugin_id)
        if known is not None and known.validation_status == "passed":
            if not replace or known.code_hash == record.code_hash:
                return _same(known, record)
            if record.validation_status == "failed":
                return record
            if users := _users(view, record.plugin_id):
                raise _in_use("replaced", record.plugin_id, users)
            kept = ("deployment", "enabled", "params", "source_namespace_id", "created_at")
            record = record.model_copy(update={name: getattr(known, name) for name in kept})
        stores.plugins.put(record.archive, archive)
        if known is None:
            try:
                view.plugins.insert(record)
            except AlreadyExists:
                continue
        elif not view.plugins.replace(
            record,
            validation_status=known.validation_status,
            code_hash=known.code_hash,
            **{"deployment.updated_at": known.deployment.updated_at},
        ):
            continue
        # Who has just deleted the same content may have taken the archive away after we put it.
        stores.plugins.ensure(record.archive, archive)
        return record
    raise InUse(f"plugin {record.plugin_id!r}", why="others keep changing it", fix="Try again")


def find_plugin(view: NamespaceView, plugin_id: str) -> PluginRecord:
    """A namespace's plugin by id.

    Raises:
        NotFound: there is none; names those there are.
    """
    found = view.plugins.find_one(view.id, plugin_id)
    if found is None:
        known = ", ".join(plugin.plugin_id for plugin in view.plugins.find(view.id, limit=20)) or "none yet"
        raise NotFound(f"plugin {plugin_id!r}", why="the namespace has none of that id", fix=f"There are: {known}")
    return found


def enable_plugin(
    tenant: Tenant, view: NamespaceView, plugin_id: str, params: Mapping[str, Any] | None
) -> PluginRecord:
    """Make a plugin of the organization usable in a namespace, with default parameters for its collections.

    Args:
        params: None leaves those that are set.

    Raises:
        NotFound: no namespace of the organization has it.
        InvalidRequest: namespaces hold different code under that id, or its validation failed.
        PluginError: the parameters do not fit its parameter_schema.
    """
    known = view.plugins.find_one(view.id, plugin_id)
    origin = known or _origin(tenant, plugin_id)
    if origin.validation_status == "failed":
        raise InvalidRequest(f"plugin {plugin_id!r}", why="its validation failed", fix="Mend it and push it again")
    wrong = parameter_problems(origin.manifest.get("parameter_schema"), params or {}, partial=True)
    if wrong:
        raise PluginError(f"params of plugin {plugin_id!r}", why="; ".join(wrong))
    if known is None:
        view.plugins.insert(_copied(origin, view, dict(params or {})))
    else:
        view.plugins.set_enabled(known.record_id, True, params)
    return find_plugin(view, plugin_id)


def disable_plugin(view: NamespaceView, plugin_id: str) -> PluginRecord:
    """Refuse a plugin to new collections of a namespace.

    Raises:
        NotFound: the namespace has no such plugin.
        InUse: collections use it.
    """
    plugin = find_plugin(view, plugin_id)
    view.plugins.set_enabled(plugin.record_id, False)
    users = _users(view, plugin_id)
    if users:
        view.plugins.set_enabled(plugin.record_id, True)
        raise _in_use("disabled", plugin_id, users)
    return find_plugin(view, plugin_id)


def delete_plugin(stores: Stores, view: NamespaceView, plugin_id: str) -> PluginRecord:
    """Delete a plugin and, if no other namespace uses it, its archive.

    The record goes first and the collections are looked at then: a collection that is made at the same moment looks
    for the record after it is entered, so one of the two gives way.

    Raises:
        NotFound: the namespace has no such plugin.
        InUse: collections use it; they are named.
    """
    plugin = find_plugin(view, plugin_id)
    if users := _users(view, plugin_id):
        raise _in_use("deleted", plugin_id, users)
    view.plugins.delete(plugin.record_id)
    if users := _users(view, plugin_id):
        view.plugins.insert(plugin)
        raise _in_use("deleted", plugin_id, users)
    others = view.catalog.tenant(plugin.organization_id).plugins.of_organization(plugin.organization_id, plugin_id)
    if not any(other.archive == plugin.archive for other in others):
        stores.plugins.delete(plugin.archive)
    return plugin


def _same(known: PluginRecord, wanted: PluginRecord) -> PluginRecord:
    if known.code_hash == wanted.code_hash:
        return known
    raise AlreadyExists(
        f"plugin {known.name!r} {known.version}",
        why="this version is registered with other content",
        fix="Raise `version` in manifest.py and push that, or replace it with `mixpeek plugin push --replace`",
    )


def _origin(tenant: Tenant, plugin_id: str) -> PluginRecord:
    found = tenant.plugins.of_organization(tenant.organization_id, plugin_id)
    if not found:
        known = ", ".join(sorted({p.plugin_id for p in tenant.plugins.of_organization(tenant.organization_id)}))
        raise NotFound(
            f"plugin {plugin_id!r}", why="the organization has none of that id", fix=f"There are: {known or 'none yet'}"
        )
    if len({plugin.code_hash for plugin in found}) > 1:
        why = f"{len(found)} namespaces hold different code under that id"
        raise InvalidRequest(f"plugin {plugin_id!r}", why=why, fix="Push the one you mean to this namespace")
    return found[0]


def _copied(origin: PluginRecord, view: NamespaceView, params: dict[str, Any]) -> PluginRecord:
    now = datetime.now(UTC)
    return origin.model_copy(
        update={
            "record_id": plugin_record_id(view.id, origin.plugin_id),
            "namespace_id": view.id,
            "source_namespace_id": origin.source_namespace_id or origin.namespace_id,
            "enabled": True,
            "params": params,
            "deployment": Deployment(reason="it was not deployed yet", updated_at=now),
            "created_at": now,
            "updated_at": now,
        }
    )


def _users(view: NamespaceView, plugin_id: str) -> Sequence[str]:
    return [collection.collection_name for collection in view.collections.using(view.id, plugin_id)]


def _in_use(what: str, plugin_id: str, users: Sequence[str]) -> InUse:
    return InUse(
        f"plugin {plugin_id!r}",
        why=f"it cannot be {what}: {len(users)} collections use it: {', '.join(users)}",
        fix="Delete these collections first",
    )
