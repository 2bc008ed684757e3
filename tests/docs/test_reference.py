"""The pages that are made from the code leave nothing out."""

from __future__ import annotations

import re

import mixpeek_dagster
from docs.site.check_page import check_page
from docs.site.cli_page import cli_page
from docs.site.error_page import REMEDIES, documented_kinds, error_page
from docs.site.python_pages import plugin_names_page, python_page, sdk_modules
from docs.site.rest_pages import openapi, operations, rest_pages
from docs.site.settings_page import settings_page
from mixpeek_dagster.cli.main import _VERBS
from mixpeek_dagster.errors import ErrorCode, MixpeekError
from mixpeek_dagster.runs.checks import Check
from mixpeek_dagster.settings import ProviderLimits, Settings


def rows(page: str) -> dict[str, list[str]]:
    """Cells of each row of a page's tables, by the first cell without its backticks."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in page.splitlines() if line[:1] == "|"
    ]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_every_setting_stands_with_type_default_and_what_it_is_for() -> None:
    shown = rows(settings_page())
    assert {f"MIXPEEK_{name.upper()}" for name in Settings.model_fields} | set(ProviderLimits.model_fields) <= set(
        shown
    )
    assert all(all(cells) for cells in shown.values())
    assert shown["MIXPEEK_QDRANT_TIMEOUT"][:2] == ["integer, at least 1", "`60`"]
    assert shown["MIXPEEK_RAY_STEP_CPUS"][:2] == ["number, above 0", "none"]
    assert shown["MIXPEEK_MAX_ASSET_BYTES"][:2] == ["integer, at least 1", "`5368709120` (5 GiB)"]
    assert shown["MIXPEEK_S3_SECRET_ACCESS_KEY"][0] == "text, kept out of logs"
    assert shown["MIXPEEK_MODELS"][0] == "text"
    assert shown["MIXPEEK_API_LIMITS"][0] == "JSON object"


def test_every_verb_stands_with_its_arguments_and_options() -> None:
    page = cli_page()
    headings = set(re.findall(r"^#+ (mixpeek .+)$", page, re.MULTILINE))
    assert {f"mixpeek {verb}" for verb in _VERBS} <= headings
    assert {"mixpeek plugin push", "mixpeek bucket sync on", "mixpeek batch retry-qdrant-write"} <= headings
    push = page.partition("# mixpeek plugin push\n")[2].partition("\n#")[0]
    assert "`source <path>`" in push
    assert "`--replace / --no-replace`" in push


def test_every_route_stands_on_the_page_of_its_tag() -> None:
    pages = rest_pages()
    for method, path, operation in operations(openapi()):
        assert f"```http\n{method} {path}\n```" in pages[operation["tags"][0]]


def test_every_type_that_a_page_links_to_is_on_it() -> None:
    for tag, page in rest_pages().items():
        linked = set(re.findall(r"\(#([\w-]+)\)", page))
        assert linked <= {heading.lower() for heading in re.findall(r"^### (\S+)$", page, re.MULTILINE)}, tag


def test_every_error_code_stands_with_when_and_what_to_do() -> None:
    assert set(REMEDIES) == set(ErrorCode)
    shown = rows(error_page())
    assert {code.value for code in ErrorCode} <= set(shown)
    assert all(all(cells) for cells in shown.values())
    assert [kind.code for kind in documented_kinds()] == list(ErrorCode)
    assert all(issubclass(kind, MixpeekError) for kind in documented_kinds())


def test_every_check_stands_there() -> None:
    assert {check.value for check in Check} <= set(rows(check_page()))


def test_every_stable_name_and_every_module_of_the_sdk_stands_there() -> None:
    names = {f"mixpeek_dagster.{name}" for name in mixpeek_dagster.__all__}
    page = python_page()
    assert {name for name in names if name in page} == names
    assert {"engine.models", "engine.plugins.extractors.pipeline", "shared.plugins"} <= set(sdk_modules())
    assert re.findall(r"^::: (\S+)$", plugin_names_page(), re.MULTILINE) == sdk_modules()
