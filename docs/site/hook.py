"""The hook of MkDocs: enters the pages that are made from the code.

Run MkDocs as `python -m mkdocs` in the repository's folder, as `make docs` does.
"""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.site.check_page import check_page
from docs.site.cli_page import cli_page
from docs.site.error_page import error_page
from docs.site.front_pages import front_pages, linked_pages
from docs.site.python_pages import plugin_names_page, python_page
from docs.site.rest_pages import rest_pages
from docs.site.settings_page import settings_page


def made_pages() -> dict[str, str]:
    """Markdown of each page that is made, by its path in the site."""
    return {
        **front_pages(),
        "reference/settings.md": settings_page(),
        "reference/cli.md": cli_page(),
        "reference/errors.md": error_page(),
        "reference/checks.md": check_page(),
        "reference/python.md": python_page(),
        "reference/plugin-names.md": plugin_names_page(),
        **{f"reference/rest/{tag}.md": text for tag, text in rest_pages().items()},
    }


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Enter the pages."""
    for path, text in made_pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links of written pages to files of the root lead to their pages."""
    return linked_pages(markdown) if page.file.abs_src_path else markdown
