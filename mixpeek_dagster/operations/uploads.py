"""From an archive to a registered plugin: promised, put, confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mixpeek_dagster import ids
from mixpeek_dagster.catalog.plugins import Deployment, PluginRecord, PluginUpload, plugin_record_id
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.catalog.uploads import UploadStatus
from mixpeek_dagster.errors import ArchiveError, InvalidRequest, PluginRejected
from mixpeek_dagster.operations.plugins import find_plugin, publish
from mixpeek_dagster.operations.presigned import promise, size_put, work_folder
from mixpeek_dagster.plugins.archive import unpack
from mixpeek_dagster.plugins.checks.check import CheckReport, check_plugin
from mixpeek_dagster.plugins.manifest import is_plugin_name, normal_version
from mixpeek_dagster.plugins.spec import Problem
from mixpeek_dagster.stores import Stores, archive_limits


def begin_upload(
    view: NamespaceView, stores: Stores, name: str, version: str, *, description: str = "", seconds: int = 3600
) -> tuple[PluginUpload, str]:
    """Promise an upload.

    Args:
        seconds: how long the URL takes the archive.

    Returns:
        The upload, and the presigned URL to PUT the archive to.

    Raises:
        InvalidRequest: the name or version cannot be one.
    """
    name, version = _identity(name, version)
    promised = promise(view, stores.plugins.upload_key, seconds)
    upload = PluginUpload(**promised, name=name, version=version, description=description)
    view.plugin_uploads.insert(upload)
    return upload, stores.objects.upload_url(upload.object_key, seconds)


def confirm_upload(
    view: NamespaceView,
    stores: Stores,
    upload_id: str,
    *,
    etag: str | None = None,
    size: int | None = None,
    replace: bool = False,
) -> PluginRecord:
    """Check an uploaded archive and register the plugin in it. Called again, it says the same.

    Args:
        replace: as `publish`.

    Raises:
        NotFound: there is no such upload, or nothing was put.
        InvalidRequest: it has expired, or what was put is not what was meant.
        PluginRejected: validation found errors; the plugin's record and the upload keep them.
        AlreadyExists: the version is there with other content.
        InUse: it is to be replaced, and collections use it.
        VectorClash: the namespace holds one of its vectors with another size or distance.
    """
    upload = view.plugin_uploads.get(upload_id)
    if upload.status is UploadStatus.COMPLETED and upload.plugin_id:
        return find_plugin(view, upload.plugin_id)
    if upload.status is UploadStatus.FAILED:
        raise _rejected(upload.name, upload.version, list(upload.validation_errors))
    with work_folder(stores) as work:
        archive = work / f"{upload.name}.zip"
        _fetch(stores, upload, archive, etag, size)
        try:
            record = register_archive(
                view, stores, archive, upload.name, upload.version, upload.description, replace=replace
            )
        except PluginRejected as error:
            view.plugin_uploads.finish(upload_id, UploadStatus.FAILED, None, tuple(error.validation_errors))
            stores.objects.delete([upload.object_key])
            raise
    view.plugin_uploads.finish(upload_id, UploadStatus.COMPLETED, record.plugin_id)
    stores.objects.delete([upload.object_key])
    return record


def register_archive(
    view: NamespaceView,
    stores: Stores,
    archive: Path,
    name: str,
    version: str,
    description: str = "",
    *,
    replace: bool = False,
) -> PluginRecord:
    """Check an archive and enter the plugin in it.

    Args:
        replace: as `publish`.

    Raises:
        InvalidRequest: the name or version cannot be one.
        PluginRejected: validation found errors.
        AlreadyExists: the version is there with other content.
        InUse: it is to be replaced, and collections use it.
        VectorClash: the namespace holds one of its vectors with another size or distance.
    """
    name, version = _identity(name, version)
    with work_folder(stores) as work:
        folder = work / name
        try:
            code_hash = unpack(archive, folder, archive_limits(stores.settings))
        except ArchiveError as error:
            problem = Problem("error", error.code.value, error.why, error.fix, error.where or archive.name)
            raise _rejected(name, version, [problem.to_dict()]) from None
        report = check_plugin(folder)
        problems = [problem.relative_to(folder) for problem in (*report.problems, *_mismatches(report, name, version))]
    record = _record(view, stores, report, problems, code_hash, name, version, description)
    record = publish(stores, view, record, archive, replace=replace)
    if record.validation_status == "failed":
        raise _rejected(name, version, list(record.validation_errors))
    return record


def _record(
    view: NamespaceView,
    stores: Stores,
    report: CheckReport,
    problems: list[Problem],
    code_hash: str,
    name: str,
    version: str,
    description: str,
) -> PluginRecord:
    now = datetime.now(UTC)
    plugin_id = ids.plugin_id(name, version)
    failed = any(problem.severity == "error" for problem in problems)
    return PluginRecord(
        record_id=plugin_record_id(view.id, plugin_id),
        plugin_id=plugin_id,
        namespace_id=view.id,
        organization_id=view.namespace.organization_id,
        name=name,
        version=version,
        description=description or (report.manifest or {}).get("description", ""),
        archive=stores.plugins.key(view.id, plugin_id, code_hash),
        code_hash=code_hash,
        validation_status="failed" if failed else "passed",
        validation_errors=tuple(problem.to_dict() for problem in problems),
        security_scan_passed=report.security_passed,
        manifest={**report.manifest, "steps": list(report.steps)} if report.manifest else {},
        deployment=Deployment(reason="it was not deployed yet", updated_at=now),
        created_at=now,
        updated_at=now,
    )


def _identity(name: str, version: str) -> tuple[str, str]:
    if not is_plugin_name(name):
        fix = "Use 3 to 64 letters, digits and underscores, a letter first"
        raise InvalidRequest(f"plugin name {name!r}", why="it cannot be one", fix=fix)
    normal = normal_version(version)
    if normal is None:
        raise InvalidRequest(f"plugin version {version!r}", why="it cannot be one", fix="Write it as '1.0.0'")
    return name, normal


def _mismatches(report: CheckReport, name: str, version: str) -> Iterator[Problem]:
    """The manifest must say the same name and version as the upload, or collections could not find the plugin."""
    for key, promised in (("name", name), ("version", version)):
        said = (report.manifest or {}).get(key)
        if said and said != promised:
            message = f"the manifest's {key} is {said!r}, the upload's is {promised!r}"
            yield Problem("error", f"{key}_mismatch", message, f"Upload it as {said!r}, or change it", "manifest.py")


def _fetch(stores: Stores, upload: PluginUpload, archive: Path, etag: str | None, size: int | None) -> None:
    there, limit = size_put(stores, upload, "plugin.zip", etag=etag, size=size), stores.settings.plugin_packed_bytes
    if there > limit:
        message = f"the archive has {there:,} bytes, {limit:,} are allowed"
        fix = "Leave model weights out and load them with from_pretrained"
        problem = Problem("error", "archive_too_large", message, fix, archive.name)
        raise _rejected(upload.name, upload.version, [problem.to_dict()])
    stores.objects.fetch(stores.objects.url(upload.object_key), archive)


def _rejected(name: str, version: str, problems: list[dict[str, object]]) -> PluginRejected:
    errors = [problem for problem in problems if problem["severity"] == "error"]
    first = f": {errors[0]['message']}" if errors else ""
    return PluginRejected(
        f"plugin {name!r} {version}",
        why=f"validation found {len(errors)} errors{first}",
        fix="See validation_errors; `mixpeek plugin check` finds the same on your machine",
        validation_errors=problems,
    )
