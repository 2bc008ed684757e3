"""An exception becomes a failure with a category, a place and advice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pandas as pd
import pytest

from mixpeek_dagster.errors import ErrorCategory, NotFound, StoreUnavailable
from mixpeek_dagster.plugins.package import ROOT, plugin_place
from mixpeek_dagster.rows.failures import failure, failure_of, failures_of
from mixpeek_dagster.rows.state import RowState


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.response = SimpleNamespace(status_code=status)


@pytest.mark.parametrize(
    ("error", "category", "code"),
    [
        (ModuleNotFoundError("no cv2"), ErrorCategory.DEPENDENCY, "raised_ModuleNotFoundError"),
        (ImportError("no name"), ErrorCategory.DEPENDENCY, "raised_ImportError"),
        (_Refused(401), ErrorCategory.AUTHENTICATION, "raised__Refused"),
        (_Refused(403), ErrorCategory.AUTHENTICATION, "raised__Refused"),
        (PermissionError("denied"), ErrorCategory.AUTHENTICATION, "raised_PermissionError"),
        (MemoryError(), ErrorCategory.RESOURCE, "raised_MemoryError"),
        (RuntimeError("CUDA out of memory"), ErrorCategory.RESOURCE, "raised_RuntimeError"),
        (ConnectionResetError("reset"), ErrorCategory.NETWORK, "raised_ConnectionResetError"),
        (TimeoutError("slow"), ErrorCategory.NETWORK, "raised_TimeoutError"),
        (httpx.ConnectError("refused"), ErrorCategory.NETWORK, "raised_ConnectError"),
        (KeyError("video_url"), ErrorCategory.VALIDATION, "raised_KeyError"),
        (KeyError("data"), ErrorCategory.RUNTIME, "raised_KeyError"),
        (KeyError(), ErrorCategory.RUNTIME, "raised_KeyError"),
        (ValueError("odd"), ErrorCategory.RUNTIME, "raised_ValueError"),
        (NotFound("model 'x'"), ErrorCategory.VALIDATION, "not_found"),
        (StoreUnavailable("Qdrant"), ErrorCategory.NETWORK, "store_unavailable"),
    ],
)
def test_the_kind_of_an_exception_gives_the_category(error: Exception, category: ErrorCategory, code: str) -> None:
    outcome = failure_of(error, "Embed", ["data"])
    assert (outcome.category, outcome.code, outcome.stage) == (category, code, "Embed")
    assert outcome.state is RowState.FAILED
    assert outcome.suggestion


def test_a_missing_column_is_answered_with_those_there_are() -> None:
    outcome = failure_of(KeyError("video_url"), "Embed", ["data", "mime_type"])
    assert "'video_url'" in outcome.suggestion
    assert "data, mime_type" in outcome.suggestion


def test_the_fix_of_our_own_errors_is_the_advice() -> None:
    assert failure_of(NotFound("model 'x'", fix="Install it"), "Embed", []).suggestion == "Install it"


def test_messages_are_one_line_and_not_endless() -> None:
    message = failure_of(ValueError("a\n b\n" + "x" * 5000), "Embed", []).message
    assert message.startswith("ValueError: a b xxx")
    assert len(message) == 500


def _raised(path: Path, module: str) -> BaseException:
    scope: dict[str, object] = {"__name__": module}
    exec(compile("def inner():\n    raise ValueError('odd')\n\ndef outer():\n    inner()\n", str(path), "exec"), scope)
    with pytest.raises(ValueError, match="odd") as caught:
        scope["outer"]()  # type: ignore[operator]
    return caught.value


def test_the_place_is_the_deepest_line_of_the_plugin(tmp_path: Path) -> None:
    error = _raised(tmp_path / "talks" / "pipeline.py", f"{ROOT}.talks.pipeline")
    assert plugin_place(error) == "talks/pipeline.py:2"
    assert failure_of(error, "Embed", []).message == "ValueError: odd (talks/pipeline.py:2)"


def test_code_outside_of_plugins_has_no_place(tmp_path: Path) -> None:
    error = _raised(tmp_path / "other.py", "other")
    assert plugin_place(error) == ""
    assert failure_of(error, "Embed", []).message == "ValueError: odd"


def test_failed_rows_are_reported_with_key_stage_message_and_advice(source: Callable[..., pd.DataFrame]) -> None:
    found = failures_of(source(3, error=[None, "object is gone", None]))
    assert len(found) == 1
    assert found[0].to_dict()["code"] == "unreadable"
    assert str(found[0]).startswith("key1, blobs: object is gone. Mend")


def test_our_own_failures_are_of_the_data_unless_said_otherwise() -> None:
    assert failure("s", "c", "m", "f").category is ErrorCategory.VALIDATION
    assert failure("s", "c", "m", "f", ErrorCategory.NETWORK).category is ErrorCategory.NETWORK
