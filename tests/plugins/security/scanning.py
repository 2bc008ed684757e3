"""The scanner over what a test writes."""

from __future__ import annotations

from pathlib import Path

from mixpeek_dagster.plugins.security.scanner import PluginSecurityScanner, ScanResult


def scan(source: str | bytes, *, strict: bool = False) -> ScanResult:
    return PluginSecurityScanner(strict_mode=strict).scan_source(source)


def scan_files(folder: Path, files: dict[str, str]) -> ScanResult:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return PluginSecurityScanner().scan_directory(folder)


def codes(result: ScanResult) -> list[str]:
    return [violation.code for violation in result.violations]
