"""Archives of registered plugins: kept in S3 by their content, unpacked once on each machine that runs them."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mixpeek_dagster.catalog.records import PluginReference
from mixpeek_dagster.errors import ArchiveError, NotFound, PluginError
from mixpeek_dagster.plugins.archive import ArchiveLimits, pack, unpack
from mixpeek_dagster.plugins.folder import code_hash
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.plugin import LoadedPlugin

if TYPE_CHECKING:
    from mixpeek_dagster.objects.object_store import ObjectStore

_PREFIX = "_plugins"


class PluginStore:
    """Plugins by the hash of their content.

    Args:
        objects: gives the place of the archives; asked when one is put or fetched, never for a plugin that is here.
        cache: folder of unpacked plugins; processes may share it.
        limits: what an archive may hold.
    """

    def __init__(self, objects: Callable[[], ObjectStore], cache: Path, limits: ArchiveLimits) -> None:
        self._open_objects = objects
        self._cache = cache
        self._limits = limits

    @cached_property
    def _objects(self) -> ObjectStore:
        return self._open_objects()

    def key(self, namespace_id: str, plugin_id: str, digest: str) -> str:
        """Where an archive is kept: the same content has the same key."""
        return f"{_PREFIX}/{namespace_id}/{plugin_id}/{digest}.zip"

    def put(self, key: str, archive: Path) -> None:
        self._objects.put(key, archive)

    def ensure(self, key: str, archive: Path) -> None:
        """Put an archive again if it is not there."""
        try:
            self._objects.size_and_etag(key)
        except NotFound:
            self._objects.put(key, archive)

    def delete(self, key: str) -> None:
        """Delete an archive; machines that have unpacked it keep what they have."""
        self._objects.delete([key])

    def upload_key(self, namespace_id: str, upload_id: str) -> str:
        """Where an upload is put before it is confirmed."""
        return f"{_PREFIX}/{namespace_id}/uploads/{upload_id}.zip"

    def folder(self, reference: PluginReference) -> Path:
        """The plugin's folder on this machine, fetched and unpacked if it is not there as it should be.

        Raises:
            NotFound: the archive is gone.
            PluginError: it does not hold the code that it was registered with.
        """
        folder = reference.folder_path(self._cache)
        if reference.archive is None or _holds(folder, str(reference.code_hash)):
            return folder
        work = self._cache / f".{secrets.token_hex(8)}"
        work.mkdir(parents=True)
        try:
            self._objects.fetch(self._objects.url(reference.archive), work / "archive.zip")
            found = self._unpacked(reference, work)
            folder.parent.mkdir(exist_ok=True)
            try:
                found.rename(folder)
            except OSError:
                # Another process put it there first, and may be importing it; only what is damaged is replaced.
                if not _holds(folder, str(reference.code_hash)):
                    folder.rename(work / "damaged")
                    found.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        if not _holds(folder, str(reference.code_hash)):
            raise PluginError(f"plugin {reference.plugin_id!r}", why=f"its files cannot be kept in {self._cache}")
        return folder

    def load(self, reference: PluginReference) -> LoadedPlugin:
        """The plugin, loaded from its folder on this machine; its files are read once to hash them.

        Raises:
            NotFound: the archive is gone.
            PluginError: it does not hold the code that it was registered with, or does not load.
        """
        return load_plugin(self.folder(reference), reference.code_hash if reference.archive is not None else None)

    def shipped(self, reference: PluginReference, digest: str, prefix: str) -> PluginReference:
        """A reference by which every machine has the code that this one has loaded.

        Args:
            reference: what the collection names; a folder of this machine is packed and put under the prefix.
            digest: hash of the loaded code.
            prefix: where to, in S3.

        Raises:
            PluginError: the folder has changed since it was loaded.
        """
        if reference.archive is not None:
            return reference
        key = f"{prefix}/{digest}.zip"
        with tempfile.TemporaryDirectory(prefix="mixpeek-plugin-") as work:
            archive = Path(work) / "plugin.zip"
            if pack(reference.folder_path(self._cache), archive, self._limits) != digest:
                why = "its files changed while the run was under way"
                raise PluginError(f"plugin {reference.plugin_id!r}", why=why, fix="Run again")
            self.ensure(key, archive)
        return reference.model_copy(update={"folder": None, "archive": key, "code_hash": digest})

    def _unpacked(self, reference: PluginReference, work: Path) -> Path:
        folder = work / reference.name
        try:
            found = unpack(work / "archive.zip", folder, self._limits)
        except ArchiveError as error:
            raise PluginError(f"plugin {reference.plugin_id!r}", why=f"its archive is broken: {error.why}") from None
        if found != reference.code_hash:
            why = "its archive holds other code than it was registered with"
            raise PluginError(f"plugin {reference.plugin_id!r}", why=why, fix="Delete the plugin and push it again")
        return folder


def _holds(folder: Path, digest: str) -> bool:
    return folder.is_dir() and code_hash(folder) == digest
