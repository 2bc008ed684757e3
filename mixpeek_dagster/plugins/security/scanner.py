"""The scan of a plugin's folder: every file is read, none is run."""

from __future__ import annotations

import ast
import codecs
import re
import tokenize
import warnings
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from mixpeek_dagster.errors import PluginError
from mixpeek_dagster.plugins.folder import plugin_files
from mixpeek_dagster.plugins.security import rules
from mixpeek_dagster.plugins.security.binder import Binder
from mixpeek_dagster.plugins.security.files import inspect_file, unseen_code
from mixpeek_dagster.plugins.security.folding import TooComplex
from mixpeek_dagster.plugins.security.names import NOTHING, Resolver
from mixpeek_dagster.plugins.security.rules import Rule, Severity
from mixpeek_dagster.plugins.security.scopes import Binding, Scope
from mixpeek_dagster.plugins.security.visitor import Visitor

_MAX_SOURCE = 2 * 2**20
_UTF8 = frozenset({"utf-8", "utf-8-sig", "ascii"})
_MAX_FOLLOWED = 40


@dataclass(frozen=True)
class Violation:
    """A place in a plugin that breaks a rule.

    Attributes:
        filename: relative to the scanned folder.
        line: from 1.
        column: from 1.
        severity: `error` refuses the plugin; `warning` does so only in strict mode, where it is an `error`.
        code: the rule's stable code, as `SEC101`.
    """

    filename: str
    line: int
    column: int
    severity: Severity
    code: str
    message: str
    fix: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class ScanResult:
    """Everything that a scan found."""

    violations: list[Violation]
    files: int = 0
    lines: int = 0

    @property
    def passed(self) -> bool:
        """Whether nothing that was found is an error."""
        return all(violation.severity != "error" for violation in self.violations)


@dataclass
class _Source:
    """A parsed file."""

    filename: str
    tree: ast.Module
    scope: Scope
    scopes: dict[ast.AST, Scope]
    resolver: Resolver | None = None


@dataclass
class _Findings:
    strict: bool
    found: dict[tuple[str, int, int, str, str], Violation] = field(default_factory=dict)

    def add(self, filename: str, line: int, column: int, rule: Rule, what: str) -> None:
        severity: Severity = "error" if self.strict else rule.severity
        message = f"{what} {rule.why}"
        key = (filename, line, column, rule.code, what)
        self.found.setdefault(key, Violation(filename, line, column, severity, rule.code, message, rule.fix))

    def sorted(self) -> list[Violation]:
        return sorted(self.found.values(), key=lambda v: (v.filename, v.line, v.column, v.code))


class PluginSecurityScanner:
    """Finds what a plugin may not do, by its source alone.

    Args:
        strict_mode: whether what cannot be decided refuses a plugin, too.
    """

    def __init__(self, strict_mode: bool = False) -> None:
        self.strict_mode = strict_mode

    def scan_directory(self, path: str | Path) -> ScanResult:
        """Scan the files that make a plugin what it is.

        Raises:
            PluginError: it is not a folder.
        """
        folder = Path(path)
        if not folder.is_dir():
            fix = "Name the folder with manifest.py"
            raise PluginError(f"plugin {str(folder)!r}", why="it is not a folder", fix=fix)
        files = list(plugin_files(folder))
        findings = _Findings(self.strict_mode)
        contents = {}
        for file in files:
            filename = file.relative_to(folder).as_posix()
            if file.suffix == ".py":
                contents[filename] = file.read_bytes()
            elif broken := inspect_file(file):
                findings.add(filename, 1, 1, *broken)
        for file, kind in unseen_code(folder):
            findings.add(file.relative_to(folder).as_posix(), 1, 1, rules.HIDDEN_CODE, kind)
        _Scan(findings).run(contents)
        lines = sum(len(content.splitlines()) for content in contents.values())
        return ScanResult(findings.sorted(), len(files), lines)

    def scan_source(self, source: bytes | str, filename: str = "plugin.py") -> ScanResult:
        """Scan one file's content."""
        content = source.encode() if isinstance(source, str) else source
        findings = _Findings(self.strict_mode)
        _Scan(findings).run({filename: content})
        return ScanResult(findings.sorted(), 1, len(content.splitlines()))


class _Scan:
    """One scan over files that may import each other."""

    def __init__(self, findings: _Findings) -> None:
        self._findings = findings
        self._sources: dict[str, _Source] = {}
        self._following = 0

    def run(self, contents: dict[str, bytes]) -> None:
        for filename, content in contents.items():
            source = self._parsed(filename, content)
            if source is not None:
                self._sources[_module_name(filename)] = source
        for source in self._sources.values():
            source.resolver = Resolver(self._exports, self._sources.keys())
        for source in self._sources.values():
            self._add_stars(source)
        for source in self._sources.values():
            self._visit(source)

    def _parsed(self, filename: str, content: bytes) -> _Source | None:
        if len(content) > _MAX_SOURCE:
            self._findings.add(filename, 1, 1, rules.TOO_COMPLEX, f"the file, {len(content):,} bytes,")
            return None
        tree = self._tree(filename, content)
        if tree is None:
            return None
        package = _module_name(filename).removeprefix(".")
        if not filename.endswith("__init__.py"):
            package = package.rpartition(".")[0]
        binder = Binder(package)
        try:
            scope = binder.bind_module(tree)
        except (RecursionError, MemoryError):
            self._findings.add(filename, 1, 1, rules.TOO_COMPLEX, "the file")
            return None
        return _Source(filename, tree, scope, binder.scopes)

    def _tree(self, filename: str, content: bytes) -> ast.Module | None:
        if not self._is_utf8(filename, content):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.parse(content, filename, type_comments=_may_have_type_comments(content))
            except (SyntaxError, ValueError, MemoryError, RecursionError):
                pass
            # A comment that only looks like a type's is an error to the parser when it looks for them.
            try:
                return ast.parse(content, filename)
            except SyntaxError as error:
                what = f"the file ({error.msg})"
                self._findings.add(filename, error.lineno or 1, error.offset or 1, rules.UNREADABLE, what)
            except ValueError as error:
                self._findings.add(filename, 1, 1, rules.UNREADABLE, f"the file ({error})")
            except (MemoryError, RecursionError):
                self._findings.add(filename, 1, 1, rules.TOO_COMPLEX, "the file")
        return None

    def _is_utf8(self, filename: str, content: bytes) -> bool:
        if b"\0" in content:
            line = content[: content.index(b"\0")].count(b"\n") + 1
            self._findings.add(filename, line, 1, rules.UNREADABLE, "the file (it has a null byte)")
            return False
        try:
            encoding = codecs.lookup(tokenize.detect_encoding(BytesIO(content).readline)[0]).name
            if encoding not in _UTF8:
                self._findings.add(filename, 1, 1, rules.ENCODING, f"the file ({encoding})")
                return False
            content.decode(encoding)
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            self._findings.add(filename, line, 1, rules.ENCODING, "the file")
            return False
        except SyntaxError as error:
            self._findings.add(filename, 1, 1, rules.ENCODING, f"the file ({error.msg})")
            return False
        return True

    def _add_stars(self, source: _Source) -> None:
        """A star from another of the plugin's files may bind what that file binds, or what its stars do."""
        others, waiting = set(), list(source.scope.stars)
        while waiting:
            star = waiting.pop()
            other = self._sources.get(star)
            if star in others or other is None or other is source:
                continue
            others.add(star)
            waiting += other.scope.stars
            for name in list(other.scope.bound):
                origin = f"{star.rstrip('.')}.{name}"
                source.scope.bind(name, Binding(0, origin=origin))

    def _exports(self, name: str) -> frozenset[str]:
        module, _, attribute = name.rpartition(".")
        source = self._sources.get(module or ".") or self._sources.get(f"{module}.")
        if source is None or source.resolver is None:
            return NOTHING
        if self._following >= _MAX_FOLLOWED:
            raise TooComplex
        self._following += 1
        try:
            names = source.resolver.name(attribute, source.scope, 2**31)
        finally:
            self._following -= 1
        return frozenset(found for found in names if not found.startswith("builtins."))

    def _visit(self, source: _Source) -> None:
        def report(line: int, column: int, rule: Rule, what: str) -> None:
            self._findings.add(source.filename, line, column, rule, what)

        visitor = Visitor(source.scopes, source.scope, source.resolver or Resolver(), report)
        try:
            for statement in source.tree.body:
                visitor.visit(statement)
        except (RecursionError, MemoryError, TooComplex):
            report(1, 1, rules.TOO_COMPLEX, "the file")


def _module_name(filename: str) -> str:
    """`processors/core.py` is `.processors.core`; a package's `__init__.py` is the package."""
    parts = filename.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    return "." + ".".join(parts)


def _may_have_type_comments(content: bytes) -> bool:
    return re.search(rb"#\s*type:", content) is not None
