"""The asset `documents`: the upsert into Qdrant, with blocking checks."""

# No postponed annotations here: Dagster reads those of ops and assets.

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from mixpeek_dagster.graph import names
from mixpeek_dagster.graph.failures import user_errors
from mixpeek_dagster.graph.identity import collection_run
from mixpeek_dagster.graph.step_jobs import JOB_TAGS
from mixpeek_dagster.runs.checks import DESCRIPTIONS, Check, Grade, Verdict

if TYPE_CHECKING:
    from mixpeek_dagster.runs.documents import DocumentsReport

_DESCRIPTION = """Documents of **{collection}** in Qdrant.

Green only if an exact count after the write finds them. Metadata: the row ledger, samples and each failed row."""


def documents_asset(
    *,
    namespace: str,
    collection: str,
    partitions: dg.PartitionsDefinition[str],
    metadata: Mapping[str, Any],
) -> dg.AssetsDefinition:
    """The last asset of a collection: writes the points and reports what became of each row."""
    key = names.documents_key(namespace, collection)

    @dg.asset(
        key=key,
        description=_DESCRIPTION.format(collection=collection),
        ins={"features": dg.AssetIn(key=names.features_key(namespace, collection))},
        partitions_def=partitions,
        group_name=names.group_name(collection),
        kinds={"qdrant"},
        metadata=metadata,
        required_resource_keys={names.STORES},
        output_required=False,
        check_specs=[
            dg.AssetCheckSpec(check.value, asset=key, description=DESCRIPTIONS[check], blocking=True) for check in Check
        ],
        op_tags=JOB_TAGS,
    )
    def documents(context: dg.AssetExecutionContext, features: Any) -> Iterator[Any]:
        from mixpeek_dagster.runs.documents import write_documents

        with user_errors():
            report = write_documents(collection_run(context.op_execution_context), features)
        yield from map(_check_result, report.verdicts)
        yield from _outcome(report)

    return documents


def _check_result(verdict: Verdict) -> dg.AssetCheckResult:
    warn = verdict.grade is Grade.WARN
    return dg.AssetCheckResult(
        check_name=verdict.check.value,
        passed=verdict.grade is Grade.PASS,
        severity=dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR,
        description=verdict.message,
        metadata=dict(verdict.metadata),
    )


def _outcome(report: "DocumentsReport") -> Iterator[dg.MaterializeResult[Any]]:
    metadata = _metadata(report)
    failed = [verdict for verdict in report.verdicts if verdict.grade is Grade.FAIL]
    if failed:
        reasons = "\n".join(f"{verdict.check.value}: {verdict.message}" for verdict in failed)
        raise dg.Failure(reasons, metadata=metadata, allow_retries=report.retryable)
    yield dg.MaterializeResult(metadata=metadata)


def _metadata(report: "DocumentsReport") -> dict[str, Any]:
    columns = [dg.TableColumn(name, kind) for name, kind in report.columns.items()]
    metadata: dict[str, Any] = {
        "dagster/row_count": report.ledger.documents_written + report.documents_reused,
        "dagster/column_schema": dg.TableSchema(columns),
        "status": report.status.value,
        **report.ledger.counters(),
        "documents_removed": report.documents_removed,
        "steps": dg.MetadataValue.md(report.steps_table()),
        "seconds": round(report.seconds, 3),
    }
    if report.samples:
        metadata["samples"] = dg.MetadataValue.md(report.samples_table())
    if report.failures:
        metadata["failures"] = dg.MetadataValue.json([failure.to_dict() for failure in report.failures])
    return metadata
