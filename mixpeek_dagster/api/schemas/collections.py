"""Collections, searches in them and runs of them as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mixpeek_dagster.api.pages import Pagination
from mixpeek_dagster.catalog.records import Collection, Name, NamedVector, SourceReference
from mixpeek_dagster.stores import Stores


class CollectionSource(BaseModel):
    """What feeds a collection: exactly one bucket or collection, by id or name."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["bucket", "collection"] = Field(examples=["bucket"])
    bucket_ids: list[str] = Field(default=[], max_length=1, examples=[["talks"]])
    collection_id: str | None = None
    source_filters: dict[str, Any] = Field(default={}, description="Only rows that match are processed.")
    make_bucket: bool = Field(False, description="Make the bucket under that name if there is none.")


class WantedExtractor(BaseModel):
    """Which plugin, by name and version or by its id, and how."""

    model_config = ConfigDict(extra="forbid")

    feature_extractor_name: str | None = Field(None, examples=["my_extractor"])
    version: str | None = Field(None, examples=["1.0.0"])
    feature_extractor_id: str | None = Field(None, description="The plugin's id.", examples=["my_extractor_1_0_0"])
    folder: str | None = Field(
        None, description="A folder that is read at each run. Only the installation's own command may name one."
    )
    parameters: dict[str, Any] = Field(default={}, examples=[{"threshold": 0.8}])
    input_mappings: dict[str, str] = Field(default={}, description="Input field of the plugin: source field.")


class FeatureExtractor(BaseModel):
    """Which version of a plugin runs, with the parameters that it was given."""

    feature_extractor_name: str = Field(examples=["my_extractor"])
    version: str = Field(examples=["1.0.0"])
    feature_extractor_id: str = Field(examples=["my_extractor_1_0_0"])
    parameters: dict[str, Any] = {}
    input_mappings: dict[str, str] = {}


class CreateCollection(BaseModel):
    """A name that is free in the namespace, a source, and the plugin that runs on it."""

    model_config = ConfigDict(extra="forbid")

    collection_name: Name = Field(examples=["talks"])
    source: CollectionSource
    feature_extractor: WantedExtractor


class CollectionItem(BaseModel):
    """A collection without its document count, which would take a query for each."""

    collection_id: str
    collection_name: str
    namespace_id: str
    source: SourceReference
    feature_extractor: FeatureExtractor
    plugin_id: str
    code_hash: str | None = Field(description="Of the registered plugin's files, which never change.")
    folder: str | None = Field(description="The folder that is read at each run, if it is no registered plugin.")
    vector_indexes: list[NamedVector] = Field(description="Empty only if its plugin makes no vectors.")
    enabled: bool
    created_at: datetime

    @classmethod
    def of(cls, collection: Collection) -> CollectionItem:
        """What a list shows of a collection."""
        return cls.model_validate(_fields(collection))


class CollectionReply(CollectionItem):
    """A collection with the number of documents that it has now."""

    document_count: int = Field(description="Counted in Qdrant.")

    @classmethod
    def counted(cls, collection: Collection, stores: Stores) -> CollectionReply:
        """The collection with the number of its documents."""
        count = stores.index.count_documents(collection.namespace_id, collection.collection_id)
        return cls.model_validate({"document_count": count, **_fields(collection)})


class CollectionList(BaseModel):
    """One page of collections, by name."""

    success: Literal[True] = True
    results: list[CollectionItem]
    pagination: Pagination


class CollectionDeleted(BaseModel):
    """The collection that is gone, with its documents and kept rows; its vectors stay in the namespace."""

    success: Literal[True] = True
    collection_id: str
    documents: int = Field(description="How many documents it had.")
    message: str


class Search(BaseModel):
    """Words, which the collection's plugin turns into a vector, and how many documents are wanted."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, description="Words.", examples=["what happens to a row that fails"])
    vector: str | None = Field(None, description="Which of the plugin's vectors; its first if not given.")
    limit: int = Field(5, ge=1, le=1000, description="Most documents.")


class Hit(BaseModel):
    """A found document."""

    score: float
    file: str = Field(description="Key of its object.")
    snippet: str
    document_id: str
    fields: dict[str, Any]


class Hits(BaseModel):
    """Found documents, the nearest first."""

    success: Literal[True] = True
    results: list[Hit]


class Materialize(BaseModel):
    """Which batch, and how much of it."""

    model_config = ConfigDict(extra="forbid")

    batch_id: str | None = Field(None, description="The newest of its bucket if not given.")
    recompute: bool = Field(False, description="Run the steps on unchanged rows, too.")


class Launched(BaseModel):
    """A run that Dagster was asked for."""

    success: Literal[True] = True
    run_id: str
    batch_id: str
    collection_id: str


class CheckReply(BaseModel):
    """One of the checks that judge a run, and why it passed or failed."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    passed: bool
    severity: str
    message: str


class RunReply(BaseModel):
    """Whether a run is over, how it ended, and what its checks found."""

    model_config = ConfigDict(from_attributes=True)

    run_id: str
    finished: bool
    success: bool | None = Field(None, description="Null until it is over.")
    ledger: dict[str, int] = Field(default={}, description="The row ledger.")
    checks: list[CheckReply] = []
    error: str | None = None


def _fields(collection: Collection) -> dict[str, Any]:
    extractor = FeatureExtractor(
        feature_extractor_name=collection.plugin.name,
        version=collection.plugin.version,
        feature_extractor_id=collection.plugin.plugin_id,
        parameters=collection.parameters,
        input_mappings=collection.input_mappings,
    )
    return {
        **collection.model_dump(exclude={"plugin", "parameters", "input_mappings"}),
        "feature_extractor": extractor.model_dump(),
        "plugin_id": collection.plugin.plugin_id,
        "code_hash": collection.plugin.code_hash,
        "folder": collection.plugin.folder,
    }
