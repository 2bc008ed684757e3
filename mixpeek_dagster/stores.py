"""The stores of an installation, opened together: catalog, objects, kept rows, vector index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr

from mixpeek_dagster.embedded import EmbeddedStores, open_embedded
from mixpeek_dagster.models.hub import answer_from_store
from mixpeek_dagster.models.namespace import models_of
from mixpeek_dagster.models.remote import set_remote_models
from mixpeek_dagster.plugins.archive import ArchiveLimits
from mixpeek_dagster.plugins.assets import set_s3_fetch
from mixpeek_dagster.s3_url import S3Url
from mixpeek_dagster.settings import Reader, Settings

if TYPE_CHECKING:
    from pymongo import MongoClient

    from mixpeek_dagster.catalog.catalog import Catalog
    from mixpeek_dagster.catalog.connection import Document
    from mixpeek_dagster.index.vector_index import DocumentIndex
    from mixpeek_dagster.objects.artifacts import ArtifactStore
    from mixpeek_dagster.objects.connection import S3Access
    from mixpeek_dagster.objects.folders import S3Folders
    from mixpeek_dagster.objects.namespace_models import NamespaceModelStore
    from mixpeek_dagster.objects.object_store import ObjectStore
    from mixpeek_dagster.objects.plugins import PluginStore


@dataclass
class Stores:
    """Open stores; each but the catalog's database connects when first used. A context manager."""

    # The client of a store takes longer to import than all of ours: it, too, comes with the first use.

    settings: Settings
    _stack: ExitStack
    _mongodb: MongoClient[Document]
    s3_client: Callable[[S3Access], Any] | None = None

    @cached_property
    def catalog(self) -> Catalog:
        """Records in MongoDB."""
        from mixpeek_dagster.catalog.catalog import Catalog

        return Catalog.open(self._mongodb, self.settings.mongodb_url or "", self.settings.mongodb_database)

    @cached_property
    def objects(self) -> ObjectStore:
        """Objects of the settings' bucket, which is made if it is not there."""
        from mixpeek_dagster.objects.connection import S3Access
        from mixpeek_dagster.objects.object_store import ObjectStore

        objects = ObjectStore(S3Access.of(self.settings, self.s3_client), self.settings.s3_bucket)
        self._stack.callback(objects.close)
        return objects

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """Kept rows in S3."""
        from mixpeek_dagster.objects.artifacts import ArtifactStore

        return ArtifactStore(self.objects)

    @cached_property
    def plugins(self) -> PluginStore:
        """Archives of registered plugins."""
        from mixpeek_dagster.objects.plugins import PluginStore

        return PluginStore(lambda: self.objects, self.settings.plugins_path, archive_limits(self.settings))

    @cached_property
    def models(self) -> S3Folders | None:
        """The model store, or None if it is a folder of this machine."""
        url = self.settings.models_url
        if url is None:
            return None
        from mixpeek_dagster.objects.connection import S3Access
        from mixpeek_dagster.objects.folders import S3Folders
        from mixpeek_dagster.objects.object_store import ObjectStore

        objects = ObjectStore(S3Access.of(self.settings, self.s3_client), S3Url.parse(url).bucket, make=False)
        self._stack.callback(objects.close)
        return S3Folders(objects, url)

    @cached_property
    def namespace_models(self) -> NamespaceModelStore:
        """Uploaded models, unpacked into this machine's cache when they are asked for."""
        from mixpeek_dagster.objects.namespace_models import NamespaceModelStore

        settings = self.settings
        limits = ArchiveLimits(settings.model_bytes, settings.model_bytes, settings.model_files)
        return NamespaceModelStore(self.objects, settings.namespace_models_path, limits)

    @cached_property
    def index(self) -> DocumentIndex:
        """Documents in Qdrant."""
        from mixpeek_dagster.index import connection as qdrant
        from mixpeek_dagster.index.vector_index import DocumentIndex

        settings = self.settings
        client = qdrant.connect(settings.qdrant_url or "", _reveal(settings.qdrant_api_key), settings.qdrant_timeout)
        index = DocumentIndex(client, settings.upsert_batch)
        self._stack.callback(index.close)
        return index

    @contextmanager
    def serve_models(self, namespace_id: str) -> Iterator[None]:
        """Let what runs in the block load models; steps run in it, on whatever machine.

        Those of the store by their ids, in every library's own way, and those that were uploaded to this namespace.
        """

        def find(model_id: str) -> Path:
            return self.namespace_models.path(self.catalog.models.in_namespace(namespace_id, model_id))

        answer_from_store()
        with models_of(namespace_id, find):
            yield

    def urls(self) -> dict[str, str]:
        """For people: empty where a store has none."""
        settings = self.settings
        return {"mongodb": settings.mongodb_url or "", "qdrant": settings.qdrant_url or "", "s3": settings.s3_url or ""}

    def environment(self) -> dict[str, str]:
        """Variables that lead a child process to the same stores."""
        settings = self.settings
        absolute = {"home": settings.home_path, "models": settings.models_url or str(settings.models_folder)}
        return settings.model_copy(update=absolute).variables(Reader.STORES)

    def close(self) -> None:
        """Close the connections and give the embedded stores back."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def archive_limits(settings: Settings) -> ArchiveLimits:
    """What a plugin's archive may hold."""
    return ArchiveLimits(settings.plugin_packed_bytes, settings.plugin_unpacked_bytes, settings.plugin_files)


def open_stores(settings: Settings, s3_client: Callable[[S3Access], Any] | None = None) -> Stores:
    """The stores that the settings name; those without a URL are embedded, found or started under the home folder.

    What earlier code has stored is brought up to date first; nothing is done with what later code has stored.

    Args:
        settings: which.
        s3_client: makes boto3 clients of S3; None makes them with boto3 alone.

    Raises:
        StoreError: an embedded store cannot be started.
        StoreUnavailable: MongoDB does not answer.
        SchemaTooNew: later code wrote what is stored.
    """
    from mixpeek_dagster.catalog.connection import connect
    from mixpeek_dagster.migrations.upgrade import ensure_current

    with ExitStack() as opening:
        if settings.embedded_stores:
            settings = _with_embedded(settings, opening.enter_context(open_embedded(settings.home_path)))
        mongodb = connect(settings.mongodb_url or "")
        opening.callback(mongodb.close)
        ensure_current(settings, mongodb)
        stores = Stores(settings, opening.pop_all(), mongodb, s3_client)

    def fetch(url: str, path: Path) -> None:
        # Looked up here, since opening the object store is what the call may be the first to need.
        stores.objects.fetch(url, path, settings.max_asset_bytes)

    set_s3_fetch(fetch)
    set_remote_models(lambda: stores.models)
    return stores


def _with_embedded(settings: Settings, embedded: EmbeddedStores) -> Settings:
    urls = {"mongodb_url": settings.mongodb_url or embedded.mongodb_url}
    urls["qdrant_url"] = settings.qdrant_url or embedded.qdrant_url
    if settings.s3_url is not None:
        return settings.model_copy(update=urls)
    keys = {"s3_access_key_id": embedded.s3_access_key_id, "s3_secret_access_key": embedded.s3_secret_access_key}
    return settings.model_copy(update={**urls, "s3_url": embedded.s3_url, **keys})


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
