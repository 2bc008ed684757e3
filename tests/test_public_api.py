"""The stable Python API: `mixpeek_dagster.__all__`, cheap to import, and what the package says of itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest
from packaging.version import Version

import mixpeek_dagster
from mixpeek_dagster import components, errors, settings
from mixpeek_dagster.plugins import archive, spec
from mixpeek_dagster.plugins.checks import check, sandbox
from mixpeek_dagster.version import __version__

ROOT = Path(__file__).parents[1]
STABLE = {
    "ArchiveLimits": archive.ArchiveLimits,
    "CheckReport": check.CheckReport,
    "CollectionComponent": components.CollectionComponent,
    "ErrorCode": errors.ErrorCode,
    "MixpeekError": errors.MixpeekError,
    "Problem": spec.Problem,
    "SandboxLimits": sandbox.SandboxLimits,
    "Settings": settings.Settings,
    "__version__": __version__,
    "check_plugin": check.check_plugin,
}


def test_the_list_is_what_it_says() -> None:
    assert {name: getattr(mixpeek_dagster, name) for name in mixpeek_dagster.__all__} == STABLE


def test_another_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'compile_plugin'; it exports .*check_plugin"):
        mixpeek_dagster.compile_plugin  # noqa: B018


def test_importing_it_imports_nothing_else() -> None:
    program = (
        "import sys; before = set(sys.modules); import mixpeek_dagster; import json; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    tops = {name.partition(".")[0] for name in json.loads(ran.stdout)}
    assert tops - set(sys.stdlib_module_names) == {"mixpeek_dagster"}


def test_the_check_works_from_outside(tmp_path: Path) -> None:
    (tmp_path / "manifest.py").write_text("nothing = 1\n")
    report = mixpeek_dagster.check_plugin(tmp_path)
    assert not report.passed
    assert all(isinstance(problem, mixpeek_dagster.Problem) for problem in report.problems)


def test_the_changelog_has_a_section_for_this_version_with_its_day() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(__version__)} \(\d{{4}}-\d\d-\d\d\)", sections[1])
    versions = [Version(section.split()[0]) for section in sections[1:]]
    assert versions == sorted(versions, reverse=True)


def test_the_installed_package_carries_version_and_license() -> None:
    installed = metadata("mixpeek-dagster")
    assert installed["Version"] == __version__
    assert installed["License-Expression"] == "Apache-2.0"
    assert installed.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert "END OF TERMS AND CONDITIONS" in (ROOT / "LICENSE").read_text()
