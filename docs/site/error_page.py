"""Every error code: when it is given, and what to do."""

from __future__ import annotations

import inspect

from docs.site.markdown import code, page, table
from mixpeek_dagster.errors import ErrorCode, MixpeekError, all_kinds
from mixpeek_dagster.http.envelope import http_status

REMEDIES = {
    ErrorCode.SETTINGS_INVALID: "Correct the variable that the message names; `mixpeek doctor` shows what is set.",
    ErrorCode.EXTRA_NOT_INSTALLED: "Run the `pip install` command that the message gives.",
    ErrorCode.PLUGIN_INVALID: "`mixpeek plugin check DIR` lists every problem with its place.",
    ErrorCode.MANIFEST_INVALID: "Correct `manifest.py`; `mixpeek plugin check DIR` lists all that is wrong.",
    ErrorCode.PLUGIN_LOAD_FAILED: "Install what it imports, or correct the line that the message names.",
    ErrorCode.PIPELINE_INVALID: "Correct `build_steps` in `pipeline.py`: it gives a pipeline or a list of steps.",
    ErrorCode.ARCHIVE_INVALID: "Pack it with `mixpeek plugin pack DIR`; `MIXPEEK_PLUGIN_…` say how large it may be.",
    ErrorCode.PLUGIN_REJECTED: "Correct what `validation_errors` names, and push again.",
    ErrorCode.STEP_FAILED: "The run's page has the processor's own error; correct it, then `mixpeek batch retry ID`.",
    ErrorCode.OUT_OF_MEMORY: "Make this input smaller, or give the machine more memory. Other rows are not affected.",
    ErrorCode.STORE_ERROR: "`mixpeek doctor` says what is wrong with which store; logs are in the home folder.",
    ErrorCode.STORE_UNAVAILABLE: "`mixpeek doctor` says which store and where; start it, or correct its URL.",
    ErrorCode.STORE_IN_USE: "End the process that the message names, or use another `MIXPEEK_HOME`.",
    ErrorCode.STORE_NOT_INSTALLED: "Install `mixpeek-dagster[embedded]`, or name servers of your own by their URLs.",
    ErrorCode.SCHEMA_TOO_NEW: "Use the release that wrote it, or a later one; nothing was changed.",
    ErrorCode.NOT_FOUND: "The message lists what exists; look at organization, namespace and spelling.",
    ErrorCode.MODEL_NOT_FOUND: "`mixpeek models pull ORG/NAME`, or put it into the model store.",
    ErrorCode.ALREADY_EXISTS: "Take another name; for a plugin or a model, another version.",
    ErrorCode.IN_USE: "The message names what uses it; delete or change that first.",
    ErrorCode.INVALID_REQUEST: "The message says what would make sense.",
    ErrorCode.UNAUTHORIZED: "Send `Authorization: Bearer sk_…`; `mixpeek keys create NAME` makes a key.",
    ErrorCode.FORBIDDEN: "Use a key with the permission that the message names.",
    ErrorCode.VECTOR_CLASH: "Rename the feature in the manifest, or use another namespace.",
    ErrorCode.INDEX_WRITE_FAILED: "See to Qdrant, then `mixpeek batch retry-qdrant-write ID`; nothing is computed.",
    ErrorCode.INDEX_UNAVAILABLE: "Start Qdrant, then `mixpeek batch retry-qdrant-write ID`; nothing is computed.",
    ErrorCode.SERVING_FAILED: "`mixpeek plugin status ID` says why; its log is in `logs/serving` of the home folder.",
    ErrorCode.INTERNAL: "A mistake of ours: report it with the log's lines of this request or run.",
}


def error_page() -> str:
    """The page."""
    return page(
        "Errors",
        "Every error says what failed, why, where, and what to do, and ends in its code in brackets. Over HTTP it "
        "is `error.details.code` ([the envelope](../api.md#errors)). Codes are stable; texts may change. The message "
        "itself knows more than this table: names, places, what exists.",
        table(("code", "when", "what to do", "HTTP", "Python"), [_row(kind) for kind in documented_kinds()]),
        f"What may pass by itself, so that trying again later makes sense: {_passing()}.",
    )


def documented_kinds() -> list[type[MixpeekError]]:
    """One class for each code, in the order of the codes."""
    kinds = {kind.code: kind for kind in reversed(all_kinds(MixpeekError))}
    return [kinds[code] for code in ErrorCode]


def _passing() -> str:
    return ", ".join(code(kind.code.value) for kind in documented_kinds() if kind.retryable)


def _row(kind: type[MixpeekError]) -> tuple[str, ...]:
    when = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0] if kind is not MixpeekError else "Anything else."
    return code(kind.code.value), when, REMEDIES[kind.code], str(http_status(kind.code)), code(kind.__name__)
