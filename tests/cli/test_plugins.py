"""`mixpeek plugin` and `mixpeek keys` as processes: from a new folder to a searched collection, and every refusal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.settings import Settings
from tests.cli.conftest import EXAMPLES, Mixpeek
from tests.runs.conftest import EMBED, MANIFEST, PIPELINE


def write_plugin(folder: Path, name: str, core: str = EMBED) -> Path:
    (folder / name / "processors").mkdir(parents=True)
    (folder / name / "manifest.py").write_text(MANIFEST.format(name=name, inputs="None", types='["text"]'))
    (folder / name / "pipeline.py").write_text(PIPELINE.format(condition="ALWAYS"))
    (folder / name / "processors" / "core.py").write_text(core)
    return folder / name


@pytest.mark.slow
def test_a_new_plugin_passes_its_check_and_its_tests(mixpeek: Mixpeek, tmp_path: Path) -> None:
    assert mixpeek("plugin", "new", "my_first").returncode == 0
    checked = mixpeek("plugin", "check", "my_first")
    assert checked.returncode == 0, checked.stdout
    assert "0 errors, 0 warnings" in checked.stdout
    command = [sys.executable, "-m", "pytest", "-q", "my_first"]
    tested = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert tested.returncode == 0, tested.stdout


@pytest.mark.slow
def test_a_pushed_plugin_makes_a_collection_whose_code_never_changes(mixpeek: Mixpeek, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path, "pushed")
    pushed = json.loads(mixpeek("plugin", "push", str(folder), "--json").stdout)
    assert pushed["plugin_id"] == "pushed_1_0_0"
    (folder / "processors" / "core.py").write_text("this is not Python")

    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(3):
        (notes / f"{number}.txt").write_text(f"note {number}")
    done = mixpeek("collection", "create", "kept", "--plugin", "pushed_1_0_0", "--bucket", "kept")
    assert done.returncode == 0, done.stderr
    mixpeek("ingest", str(notes), "--bucket", "kept")
    result = json.loads(mixpeek("materialize", "kept", "--json").stdout)
    assert result["ledger"]["documents_written"] == 3
    assert len(json.loads(mixpeek("search", "kept", "note 1", "--json").stdout)) == 3

    refused = mixpeek("plugin", "delete", "pushed_1_0_0")
    assert refused.returncode == 1
    assert "kept" in refused.stderr
    assert mixpeek("collection", "delete", "kept").returncode == 0
    assert mixpeek("plugin", "delete", "pushed_1_0_0").returncode == 0


def test_push_of_a_broken_plugin_prints_its_problems_and_sends_nothing(mixpeek: Mixpeek, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path, "hostile", "import subprocess\n" + EMBED)
    done = mixpeek("plugin", "push", str(folder))
    assert done.returncode == 1
    assert "core.py:1:8" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    listed = json.loads(mixpeek("plugin", "list", "--json").stdout)
    assert "hostile_1_0_0" not in [plugin["plugin_id"] for plugin in listed]


def test_the_server_finds_what_the_laptop_did_not_look_for(mixpeek: Mixpeek, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path, "unchecked", "import subprocess\n" + EMBED)
    done = mixpeek("plugin", "push", str(folder), "--no-check")
    assert done.returncode == 1
    assert "processors/core.py:1:8" in done.stdout
    assert "plugin_rejected" in done.stderr


def test_pack_gives_the_same_bytes_each_time(mixpeek: Mixpeek, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path, "packed")
    first = json.loads(mixpeek("plugin", "pack", str(folder), "--json").stdout)
    content = (tmp_path / "packed.zip").read_bytes()
    os.utime(folder / "manifest.py", (0, 0))
    assert json.loads(mixpeek("plugin", "pack", str(folder), "--json").stdout) == first
    assert (tmp_path / "packed.zip").read_bytes() == content
    assert mixpeek("plugin", "check", "packed.zip").returncode == 0


def test_check_speaks_sarif(mixpeek: Mixpeek) -> None:
    done = mixpeek("plugin", "check", str(EXAMPLES / "wrong_feature_keys"), "--format", "sarif")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["version"] == "2.1.0"
    assert {result["ruleId"] for result in report["runs"][0]["results"]} >= {"feature_unknown_key"}


def test_deploy_show_enable_disable_status(mixpeek: Mixpeek, tmp_path: Path) -> None:
    mixpeek("plugin", "push", str(write_plugin(tmp_path, "batch")))
    deployed = mixpeek("plugin", "deploy", "batch_1_0_0", "--watch")
    assert deployed.returncode == 0
    assert "NOT_DEPLOYED" in deployed.stdout
    assert json.loads(mixpeek("plugin", "status", "batch_1_0_0", "--json").stdout)["status"] == "NOT_DEPLOYED"
    assert "disabled" in mixpeek("plugin", "disable", "batch_1_0_0").stdout
    assert "enabled" in mixpeek("plugin", "enable", "batch_1_0_0").stdout
    shown = mixpeek("plugin", "show", "batch_1_0_0").stdout
    assert "Embed" in shown
    assert "vector, 4, Cosine" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plugin", "show", "nothing_1_0_0"), "plugin 'nothing_1_0_0'"),
        (("plugin", "new", "my-plugin"), "my_plugin"),
        (("plugin", "new", "mine", "--kind", "sound"), "multi-step"),
        (("plugin", "check", "nowhere", "--format", "xml"), "sarif"),
        (("collection", "create", "c1", "--plugin", "nothing_1_0_0", "--bucket", "b1"), "plugin 'nothing_1_0_0'"),
        (("keys", "revoke", "key_none"), "key_none"),
    ],
)
def test_a_users_mistake_is_one_clear_error(mixpeek: Mixpeek, arguments: tuple[str, ...], said: str) -> None:
    done = mixpeek(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_same_verbs_work_over_http(mixpeek: Mixpeek, cli_home: Path, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path, "remote")
    key = json.loads(mixpeek("keys", "create", "ci", "--permission", "admin", "--json").stdout)["key"]
    settings = Settings.model_validate({"home": cli_home, "api_port": 0})
    with ApiServer(settings, {"MIXPEEK_HOME": str(cli_home)}) as server:
        away = {"MIXPEEK_API_URL": server.url, "MIXPEEK_API_KEY": key, "MIXPEEK_HOME": str(tmp_path / "none")}
        pushed = json.loads(mixpeek("plugin", "push", str(folder), "--json", **away).stdout)
        assert pushed["plugin_id"] == "remote_1_0_0"
        assert "remote_1_0_0" in mixpeek("plugin", "list", **away).stdout
        assert mixpeek("plugin", "delete", "remote_1_0_0", **away).returncode == 0
        refused = mixpeek("plugin", "list", **(away | {"MIXPEEK_API_KEY": "sk_wrong"}))
        assert refused.returncode == 1
        assert "not known here" in refused.stderr
    gone = mixpeek("plugin", "list", **away)
    assert "it does not answer" in gone.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_a_key_is_shown_once_and_can_be_revoked(mixpeek: Mixpeek) -> None:
    made = json.loads(mixpeek("keys", "create", "once", "--days", "1", "--json").stdout)
    assert made["permissions"] == ["read", "write"]
    assert made["key"] not in mixpeek("keys", "list").stdout
    assert mixpeek("keys", "revoke", made["key_id"]).returncode == 0
    listed = json.loads(mixpeek("keys", "list", "--json").stdout)
    assert {key["key_id"]: key["status"] for key in listed}[made["key_id"]] == "revoked"


def test_a_new_organization_gets_its_own_namespace(mixpeek: Mixpeek, cli_home: Path) -> None:
    key = json.loads(mixpeek("keys", "create", "first", "--organization", "acme", "--json").stdout)["key"]
    settings = Settings.model_validate({"home": cli_home, "api_port": 0})
    with ApiServer(settings, {"MIXPEEK_HOME": str(cli_home)}) as server:
        headers = {"Authorization": f"Bearer {key}"}
        reply = httpx.post(f"{server.url}/v1/namespaces/list", headers=headers).json()
    assert [namespace["namespace_name"] for namespace in reply["results"]] == ["default"]
