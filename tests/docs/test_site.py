"""The documentation site builds strictly and asks for nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Error, Page, Request, sync_playwright

import mixpeek_dagster
from docs.site.hook import made_pages
from docs.site.python_pages import exported_names, sdk_modules

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
_NOT_FETCHED = {"canonical", "next", "prev"}


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Fetches(HTMLParser):
    """Addresses that a browser fetches by itself for a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what this tag has fetched."""
        values = dict(attrs)
        if tag in _FETCHED and values.get("rel") not in _NOT_FETCHED:
            self.found.append(values.get(_FETCHED[tag]) or "")


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def browser_page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_every_page_is_there(site: Path) -> None:
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    for page in written | set(made_pages()):
        name = page.replace("README.md", "index.md").removesuffix("md") + "html"
        assert (site / name).is_file(), name


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        elsewhere = [url for url in Fetches(path.read_text()).found if re.match(r"(\w+:)?//", url)]
        assert not elsewhere, path.name
    for path in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]+", path.read_text()), path.name


def test_names_that_are_documented_have_anchors(site: Path) -> None:
    python = (site / "reference/python.html").read_text()
    assert all(f'id="mixpeek_dagster.{name}"' in python for name in mixpeek_dagster.__all__ if name[0] != "_")
    names = (site / "reference/plugin-names.html").read_text()
    assert all(f'id="{module}"' in names for module in sdk_modules())
    found = {anchor.rsplit(".", 1)[-1] for anchor in re.findall(r'<h3 id="([^"]+)"', names)}
    assert found == {name for module in sdk_modules() for name in exported_names(module)}


def test_a_browser_asks_this_machine_only_and_finds_by_words(site: Path, address: str, browser_page: Page) -> None:
    asked: list[str] = []
    wrong: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    def mistake(error: Error) -> None:
        wrong.append(str(error))

    browser_page.on("request", note)
    browser_page.on("pageerror", mistake)
    for path in sorted(site.rglob("*.html")):
        browser_page.goto(f"{address}/{path.relative_to(site)}")
    browser_page.goto(f"{address}/index.html")
    words = browser_page.get_by_role("textbox", name="Search")
    words.click()
    words.press_sequentially("MIXPEEK_QDRANT_TIMEOUT")
    browser_page.locator(".md-search-result__link", has_text="Settings").first.wait_for()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert wrong == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs/images").glob("*.svg")), ids=lambda path: path.name)
def test_a_picture_is_whole_by_itself_and_says_what_it_shows(path: Path) -> None:
    root = ET.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{space}title")
    assert root.findtext(f"{space}desc")
    assert "prefers-color-scheme: dark" in (root.findtext(f"{space}style") or "")
    used = {element.tag.removeprefix(space) for element in root.iter()}
    assert used <= {"svg", "title", "desc", "style", "defs", "marker", "path", "rect", "text"}
