"""The security scan: what of the hostile corpus passes, what of harmless code is found, and how fast it reads.

    python -m bench.scanner --json figures.json

Libraries open files and set attributes, so most of what is found in them is rightly found; a false alarm is a finding
on something that plugins may do: a method that is called eval or compile, getattr, os.environ, torch.load and so on.
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.report import Figure, arguments, finish
from mixpeek_dagster.plugins.security.scanner import PluginSecurityScanner, Violation
from tests.plugins.security.snippets import ALLOWED, HOSTILE, UNDECIDABLE, snippets

_LIBRARIES = ("transformers", "sentence_transformers", "skimage", "sklearn", "PIL", "torch/nn", "torch/optim")
_ALLOWED = re.compile(
    r"(?!builtins\.)[A-Za-z_][\w.]*\.(?:eval|compile|from_pretrained|InferenceSession)\b"
    r"|(?:getattr|hasattr|dir)\(|os\.(?:environ|getenv|path)\b|torch\.load\b|(?:pd|pandas)\.read_(?!pickle)|import os\b"
)
_OTHER_REASONS = frozenset({"SEC503", "SEC508"})


def main() -> int:
    """Scan both corpora and print the figures."""
    options = arguments(__doc__).parse_args()
    scanner = PluginSecurityScanner()
    figures = [*_hostile(scanner), *_harmless(scanner), *_libraries(scanner)]
    return finish(figures, options.json)


def _hostile(scanner: PluginSecurityScanner) -> Iterator[Figure]:
    tricks: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for name, source in snippets(HOSTILE):
        trick = name.partition("/")[0]
        tricks[trick] += 1
        passed[trick] += scanner.scan_source(source).passed
    table = Table("trick", "snippets", "pass", header_style="bold")
    for trick, count in sorted(tricks.items()):
        table.add_row(trick, str(count), str(passed[trick]))
    Console().print(table)
    yield Figure("hostile_snippets", tricks.total(), 150, "at least")
    yield Figure("hostile_that_pass", passed.total(), 0)
    undecided = [scanner.scan_source(source) for _, source in snippets(UNDECIDABLE)]
    silent = sum(not result.violations for result in undecided)
    yield Figure("undecidable_without_a_warning", silent, 0, note=f"of {len(undecided)}")


def _harmless(scanner: PluginSecurityScanner) -> Iterator[Figure]:
    results = [scanner.scan_source(source) for _, source in snippets(ALLOWED)]
    yield Figure("allowed_snippets", len(results), 100, "at least")
    yield Figure("allowed_that_are_found", sum(bool(result.violations) for result in results), 0)


def _libraries(scanner: PluginSecurityScanner) -> Iterator[Figure]:
    lines = files = alarms = 0
    seconds = 0.0
    table = Table("library", "files", "lines", "found", "by rule", header_style="bold")
    for library in _LIBRARIES:
        codes: Counter[str] = Counter()
        before = (files, lines)
        for path in _modules(library):
            content = path.read_bytes()
            start = time.perf_counter()
            result = scanner.scan_source(content, path.name)
            seconds += time.perf_counter() - start
            files, lines = files + 1, lines + result.lines
            codes.update(violation.code for violation in result.violations)
            text = content.decode(errors="replace").splitlines()
            for violation in result.violations:
                if _is_false(violation, text):
                    alarms += 1
                    Console().print(f"false alarm: {path}:{violation.line} {violation.message}")
        rules = ", ".join(f"{code} {count}" for code, count in codes.most_common())
        table.add_row(library, str(files - before[0]), f"{lines - before[1]:,}", str(codes.total()), rules)
    Console().print(table)
    yield Figure("library_lines", lines, 100_000, "at least", f"{files} files")
    yield Figure("library_false_alarms", alarms, 0)
    yield Figure("lines_per_second", lines / seconds, 10_000, "at least")


def _modules(library: str) -> list[Path]:
    package, _, inside = library.partition("/")
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return []
    return sorted((Path(found.submodule_search_locations[0]) / inside).rglob("*.py"))


def _is_false(violation: Violation, text: list[str]) -> bool:
    line = text[violation.line - 1] if violation.line <= len(text) else ""
    # Columns count bytes, as the parser does.
    there = line.encode()[violation.column - 1 :].decode(errors="replace")
    # `getattr(x, "y").__closure__` begins as something allowed, but is found for its end.
    is_dunder = violation.message.startswith(".__")
    return not is_dunder and violation.code not in _OTHER_REASONS and _ALLOWED.match(there) is not None


if __name__ == "__main__":
    raise SystemExit(main())
