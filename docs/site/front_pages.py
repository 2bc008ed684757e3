"""Files of the repository's root as pages of the site."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def front_pages() -> dict[str, str]:
    """Text of each page by its path in the site.

    Links to files of `docs/` and to each other are made to fit; of links to anything else the words are left.
    """
    return {page: _LINK.sub(_fit, (ROOT / name).read_text()) for name, page in _PAGES.items()}


def linked_pages(text: str) -> str:
    """A page of `docs/` with its links to files of the root made to fit."""
    for name, page in _PAGES.items():
        text = text.replace(f"](../{name}", f"]({page}")
    return text


def _fit(link: re.Match[str]) -> str:
    words, target = link.groups()
    file, mark, anchor = target.partition("#")
    if target.startswith(("http://", "https://", "#")):
        return link[0]
    if file.startswith("docs/") and (ROOT / file).is_file():
        return f"[{words}]({file.removeprefix('docs/')}{mark}{anchor})"
    return f"[{words}]({_PAGES[file]}{mark}{anchor})" if file in _PAGES else words
