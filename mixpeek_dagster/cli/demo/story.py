"""The demo, step by step."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.markup import escape

from mixpeek_dagster.catalog.records import Batch, Bucket, SourceReference
from mixpeek_dagster.cli.console import checks_table, err, hits_table, ledger_table, out
from mixpeek_dagster.cli.demo.corpus import copy_images, write_query_image, write_texts
from mixpeek_dagster.cli.progress import step_progress
from mixpeek_dagster.cli.remote import require_local
from mixpeek_dagster.cli.report import print_report
from mixpeek_dagster.cli.session import Session, open_session
from mixpeek_dagster.deployer.hosting.local import LocalHost
from mixpeek_dagster.deployer.hosting.readiness import wait_until_ready
from mixpeek_dagster.deployer.hosting.spec import ServiceSpec
from mixpeek_dagster.errors import NotFound, ServingError
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.models.packaged import install_packaged_models
from mixpeek_dagster.operations.collections import create_collection
from mixpeek_dagster.operations.endpoint_client import infer
from mixpeek_dagster.operations.ingest import ingest_files
from mixpeek_dagster.operations.materialize import Materialized, materialize
from mixpeek_dagster.operations.search import find
from mixpeek_dagster.plugins.checks.check import check_plugin
from mixpeek_dagster.plugins.folder import code_hash

BUCKET = "library"
TEXTS, PICTURES, WRONG = "texts", "pictures", "wrong_column"
WORDS = ("read and write zip archives", "permission to use, copy and modify this software", "schedule a job for later")
_SAME_VECTOR = 0.9999


def demo() -> None:
    """Check a plugin, ingest real files, materialize, search, serve: all on this machine, no server needed."""
    settings = require_local("demo", "it keeps house on this machine")
    use_cache(settings.models_path, settings.models_folder)
    _heading(0, "Models", "real weights from packages, laid out as a Hugging Face cache")
    out.print(", ".join(install_packaged_models(settings.models_path)))
    _check_plugins()
    with open_session(settings) as session:
        batch = _ingest(session)
        bucket = session.stores.catalog.buckets.get(batch.bucket_id)
        _create_collections(session, bucket)
        _materialize(session, batch)
        _search(session)
        _serve(session)
        _refuse(session, bucket, batch)
    out.rule()
    out.print("[bold green]Done.[/] Open the Dagster UI on all of this: [bold]mixpeek up[/]")


def _check_plugins() -> None:
    _heading(1, "Plugins", "the quickstart's my_extractor and the image classifier, checked and compiled")
    for name in ("my_extractor", "image_classifier"):
        report = check_plugin(example(name))
        print_report(report)
        if not report.passed:
            raise typer.Exit(1)


def _ingest(session: Session) -> Batch:
    _heading(2, "Files", "docstrings and licences of this Python, photographs of scikit-image and scikit-learn")
    folder = session.settings.home_path / "demo"
    texts, images = write_texts(folder / "texts"), copy_images(folder / "images")
    batch = ingest_files(session.stores, session.namespace, BUCKET, [folder / "texts", folder / "images"])
    out.print(f"{texts} texts and {images} images are in bucket {BUCKET}: batch [bold]{batch.batch_id}[/]")
    return batch


def _create_collections(session: Session, bucket: Bucket) -> None:
    source = SourceReference(type="bucket", bucket_id=bucket.bucket_id)
    for name, plugin in ((TEXTS, "my_extractor"), (PICTURES, "image_classifier")):
        create_collection(session.stores, session.namespace, name, plugin=example(plugin), source=source)


def _materialize(session: Session, batch: Batch) -> None:
    _heading(3, "Dagster runs", "blobs -> features -> documents, for texts and for pictures")
    outcomes = {}
    for name in (TEXTS, PICTURES):
        outcomes[name] = _run(session, name, batch)
        out.print(f"{name}: run {outcomes[name].run_id[:8]} {'succeeded' if outcomes[name].success else 'failed'}")
    _heading(4, "Ledger and checks", "every row accounted for; counted in Qdrant after the write")
    out.print(ledger_table({name: outcome.ledger for name, outcome in outcomes.items()}))
    out.print(checks_table({name: [asdict(check) for check in run.checks] for name, run in outcomes.items()}))
    for outcome in outcomes.values():
        _expect(outcome.success, outcome.error or "a run failed")


def _run(session: Session, collection: str, batch: Batch) -> Materialized:
    with step_progress(err, collection):
        return materialize(session.stores, session.stores.catalog.view(session.namespace), collection, batch.batch_id)


def _hits(session: Session, collection: str, limit: int, **query: Any) -> list[dict[str, Any]]:
    view = session.stores.catalog.view(session.namespace)
    return [hit.to_dict() for hit in find(session.stores, view, collection, limit=limit, **query)]


def _search(session: Session) -> None:
    _heading(5, "Search", "by words, and by an image that is not in the bucket")
    for words in WORDS:
        out.print(f"[bold]{words}[/]")
        out.print(hits_table(_hits(session, TEXTS, 3, words=words)))
    image = write_query_image(session.settings.home_path / "demo" / "query")
    out.print(f"[bold]{image.name}[/] (the cat, cut out and mirrored)")
    hits = _hits(session, PICTURES, 3, file=image)
    out.print(hits_table([{**hit, "snippet": f"labels {hit['fields'].get('labels')}"} for hit in hits]))
    _expect("chelsea" in hits[0]["file"], f"the cat's cut-out found {hits[0]['file']}")


def _serve(session: Session) -> None:
    _heading(6, "Realtime", "my_extractor's realtime.py behind BentoML, compared with the batch vector")
    hit = _hits(session, TEXTS, 1, words=WORDS[0])[0]
    text = (session.settings.home_path / "demo" / "texts" / Path(hit["file"]).name).read_text(encoding="utf-8")
    stored = session.stores.index.vectors_of(session.namespace.namespace_id, hit["document_id"])["my_embedding"]
    folder, settings = example("my_extractor"), session.settings
    named = (session.namespace.namespace_id, "my_extractor", "1.0.0")
    service = LocalHost(settings).start(ServiceSpec.of_plugin(*named, code_hash(folder), folder))
    try:
        wait_until_ready(service, settings.inference_start_seconds)
        url = f"http://{service.address}{service.spec.route}"
        reply = infer(url, {"text": text})
    finally:
        service.stop()
    cosine = _cosine(stored, np.asarray(reply["embedding"], dtype=np.float32))
    out.print(f"POST {url} -> {len(reply['embedding'])} numbers; cosine with the batch vector {cosine:.6f}")
    _expect(cosine > _SAME_VECTOR, f"realtime and batch vectors differ: cosine {cosine:.6f}")


def _refuse(session: Session, bucket: Bucket, batch: Batch) -> None:
    _heading(7, "COMPLETED with 0 documents", "cannot happen here: wrong keys are refused, a wrong column turns red")
    report = check_plugin(example("wrong_feature_keys"))
    print_report(report)
    _expect(not report.passed, "wrong feature keys were accepted")
    outcome = _wrong_column(session, bucket, batch)
    out.print(f"[bold]{WRONG}[/] (declares my_embedding, writes embedding): ", end="")
    out.print("[red]run failed, as it must[/]" if not outcome.success else "[yellow]run succeeded[/]")
    out.print(escape(outcome.error or ""))
    _expect(not outcome.success, "a run that wrote nothing succeeded")
    _expect("my_embedding" in (outcome.error or ""), "the failed run does not name the missing column")


def _wrong_column(session: Session, bucket: Bucket, batch: Batch) -> Materialized:
    licences = SourceReference(
        type="bucket",
        bucket_id=bucket.bucket_id,
        source_filters={"field": "object_key", "operator": "contains", "value": "licence of "},
    )
    create_collection(session.stores, session.namespace, WRONG, plugin=example(WRONG), source=licences)
    return _run(session, WRONG, batch)


def example(name: str) -> Path:
    """Folder of an example plugin.

    Raises:
        NotFound: the examples are not installed.
    """
    spec = importlib.util.find_spec("plugin_repo")
    for root in spec.submodule_search_locations or [] if spec else []:
        if (folder := Path(root) / "examples" / name).is_dir():
            return folder
    raise NotFound(f"example plugin {name!r}", why="plugin_repo is not installed", fix="Run from a clone")


def _heading(number: int, title: str, subtitle: str) -> None:
    out.print(f"\n[bold]{number}. {title}[/]  [dim]{escape(subtitle)}[/]", soft_wrap=True)


def _expect(true: bool, message: str) -> None:
    if not true:
        raise ServingError("the demo", why=message)


def _cosine(a: Sequence[float] | np.ndarray, b: np.ndarray) -> float:
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))
