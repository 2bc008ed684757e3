"""A collection's documents: making them of a batch, and searching them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, File, Form, Path, Query, UploadFile

from mixpeek_dagster.api.access import ApiState, HeaderReader, HeaderWriter, State
from mixpeek_dagster.api.schemas.collections import CheckReply, Hit, Hits, Launched, Materialize, RunReply, Search
from mixpeek_dagster.catalog.tenant import NamespaceView
from mixpeek_dagster.operations import materialize

router = APIRouter(prefix="/collections/{collection}", tags=["documents"])

_Identifier = Annotated[str, Path(description="Collection, by id or name.", examples=["talks"])]
_RunId = Annotated[str, Path(description="Id of the run.")]
_BatchId = Annotated[str, Query(description="The batch that it takes through the collection.")]


@router.post("/search", summary="Search by words")
def search(view: HeaderReader, state: State, collection: _Identifier, wanted: Search) -> Hits:
    """The nearest documents; the words go through the collection's own plugin."""
    return _find(state, view, collection, wanted.query, None, wanted.vector, wanted.limit)


@router.post("/search/file", summary="Search by a file")
def search_by_file(
    view: HeaderReader,
    state: State,
    collection: _Identifier,
    file: Annotated[UploadFile, File(description="Documents like this one are looked for.")],
    vector: Annotated[str | None, Form(description="Which of the plugin's vectors; its first if not given.")] = None,
    limit: Annotated[int, Form(ge=1, le=1000, description="Most documents.")] = 5,
) -> Hits:
    """The same by a file, which is kept as long as the search takes."""
    with tempfile.TemporaryDirectory(prefix="mixpeek-search-") as folder:
        path = FilePath(folder) / (FilePath(file.filename or "").name or "file")
        with path.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        return _find(state, view, collection, None, path, vector, limit)


@router.post("/materialize", status_code=202, summary="Make the documents of a batch")
def materialize_collection(
    view: HeaderWriter, state: State, collection: _Identifier, wanted: Materialize | None = None
) -> Launched:
    """Asks the Dagster of this installation for a run, and returns; ask for the run until it is finished."""
    wanted = wanted or Materialize(batch_id=None, recompute=False)
    record = view.collections.get_by_identifier(view.id, collection)
    run_id, batch_id = materialize.launch(
        state.stores, view, record.collection_id, wanted.batch_id, recompute=wanted.recompute
    )
    return Launched(run_id=run_id, batch_id=batch_id, collection_id=record.collection_id)


@router.get("/runs/{run_id}", summary="How a run stands")
def get_run(view: HeaderReader, state: State, collection: _Identifier, run_id: _RunId, batch_id: _BatchId) -> RunReply:
    """Once it is finished, with the row ledger and what each check found."""
    done = materialize.launched(state.stores, view, collection, batch_id, run_id)
    if done is None:
        return RunReply(run_id=run_id, finished=False)
    return RunReply(
        run_id=done.run_id,
        finished=True,
        success=done.success,
        ledger=done.ledger,
        checks=[CheckReply.model_validate(check) for check in done.checks],
        error=done.error,
    )


def _find(
    state: ApiState,
    view: NamespaceView,
    collection: str,
    words: str | None,
    file: FilePath | None,
    vector: str | None,
    limit: int,
) -> Hits:
    from mixpeek_dagster.operations.search import find
    from mixpeek_dagster.operations.search_process import find_apart

    # A plugin of one tenant has no business in the process that serves them all.
    ask = find if state.trusted is not None else find_apart
    hits = ask(state.stores, view, collection, words=words, file=file, vector=vector, limit=limit)
    return Hits(results=[Hit.model_validate(hit.to_dict()) for hit in hits])
