"""The security scan that each plugin must pass."""

from mixpeek_dagster.plugins.security.scanner import PluginSecurityScanner, ScanResult, Violation

__all__ = ["PluginSecurityScanner", "ScanResult", "Violation"]
