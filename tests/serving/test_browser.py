"""The service's page in a real browser: its example is sent, and answered."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.serving.plugin_server import PluginServer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ROUTE = "/my_extractor/1_0_0"
_MILLISECONDS = 60_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_default_timeout(_MILLISECONDS)
    yield page
    page.close()


def test_the_example_on_the_page_is_sent_and_answered(page: Page, server: PluginServer) -> None:
    asked: list[Request] = []

    def note(request: Request) -> None:
        asked.append(request)

    page.on("request", note)
    page.goto(server.url)
    operation = page.locator(".opblock", has=page.locator(f'[data-path="{ROUTE}"]'))
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    sent = json.loads(operation.locator("textarea.body-param__text").input_value())
    assert sent == {"inputs": {"text": "hello world"}, "parameters": {}}
    operation.get_by_role("button", name="Execute").click()
    live = operation.locator(".live-responses-table")
    expect(live.locator(".response-col_status").nth(1)).to_contain_text("200", timeout=_MILLISECONDS)
    shown = live.locator(".response-col_description .highlight-code, .response-col_description pre").first.inner_text()
    assert '"embedding"' in shown
    assert len(re.findall(r"-?\d+\.\d+", shown)) >= 384
    elsewhere = [request for request in asked if not request.url.startswith((server.url, "data:"))]
    assert {request.failure for request in elsewhere} <= {"csp"}, "what the page wants from elsewhere is not fetched"
