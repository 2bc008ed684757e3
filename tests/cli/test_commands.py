"""Each verb, as a process: what it prints, its exit code, and one clear error for a user's mistake."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from mixpeek_dagster.embedded import stop_embedded
from tests.cli.conftest import EXAMPLES, Mixpeek
from tests.runs.conftest import EMBED, MANIFEST, PIPELINE

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    (folder / "processors").mkdir(parents=True)
    (folder / "manifest.py").write_text(MANIFEST.format(name="tiny", inputs="None", types='["text"]'))
    (folder / "pipeline.py").write_text(PIPELINE.format(condition="ALWAYS"))
    (folder / "processors" / "core.py").write_text(EMBED)
    return folder


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"note {number}")
    return folder


def test_check_passes_the_quickstart_and_warns_when_its_output_is_called_otherwise(
    mixpeek: Mixpeek, tmp_path: Path
) -> None:
    done = mixpeek("plugin", "check", str(EXAMPLES / "my_extractor"))
    assert done.returncode == 0, done.stderr
    assert "feature_not_in_output" not in done.stdout
    assert "TextEmbedder" in done.stdout
    folder = shutil.copytree(EXAMPLES / "my_extractor", tmp_path / "my_extractor")
    manifest = (folder / "manifest.py").read_text()
    (folder / "manifest.py").write_text(manifest.replace("my_embedding: list", "vector: list"))
    done = mixpeek("plugin", "check", str(folder))
    assert done.returncode == 0, done.stderr
    assert "feature_not_in_output" in done.stdout


def test_check_names_each_wrong_key_and_the_right_one(mixpeek: Mixpeek) -> None:
    done = mixpeek("plugin", "check", str(EXAMPLES / "wrong_feature_keys"))
    assert done.returncode == 1
    for wrong, right in (("type", "feature_type"), ("name", "feature_name"), ("dimensions", "embedding_dim")):
        assert f"'{wrong}'" in done.stdout
        assert f"Did you mean '{right}'?" in done.stdout
    assert "manifest.py:15:9" in done.stdout


def test_check_prints_json(mixpeek: Mixpeek) -> None:
    done = mixpeek("plugin", "check", str(EXAMPLES / "wrong_feature_keys"), "--json")
    report = json.loads(done.stdout)
    assert report["passed"] is False
    assert {problem["code"] for problem in report["problems"]} == {"feature_unknown_key"}


def test_check_of_no_folder_is_one_clear_problem(mixpeek: Mixpeek) -> None:
    done = mixpeek("plugin", "check", "nowhere")
    assert done.returncode == 1
    assert "it is not a folder" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_from_folder_to_found_documents(mixpeek: Mixpeek, plugin: Path, notes: Path) -> None:
    assert mixpeek("collection", "create", "road", "--plugin", str(plugin), "--bucket", "road").returncode == 0
    batch = json.loads(mixpeek("ingest", str(notes), "--bucket", "road", "--json").stdout)
    assert batch["objects"] == 3

    done = mixpeek("materialize", "road", "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert result["ledger"]["documents_written"] == 3

    hits = json.loads(mixpeek("search", "road", "note 1", "--limit", "1", "--json").stdout)
    assert hits[0]["file"] == "notes/1.txt"
    assert hits[0]["score"] == pytest.approx(1.0, abs=1e-4)


def test_a_collection_made_anew_finds_what_its_bucket_of_the_same_name_keeps(
    mixpeek: Mixpeek, plugin: Path, notes: Path
) -> None:
    mixpeek("ingest", str(notes), "--bucket", "anew")
    for _ in range(2):
        assert mixpeek("collection", "create", "anew", "--plugin", str(plugin), "--bucket", "anew").returncode == 0
        done = mixpeek("materialize", "anew")
        assert done.returncode == 0, done.stdout
        assert mixpeek("collection", "delete", "anew").returncode == 0


def test_ingesting_the_same_files_again_is_the_same_batch(mixpeek: Mixpeek, notes: Path) -> None:
    first = json.loads(mixpeek("ingest", str(notes), "--bucket", "again", "--json").stdout)
    second = json.loads(mixpeek("ingest", str(notes), "--bucket", "again", "--json").stdout)
    assert first["batch_id"] == second["batch_id"]


def test_a_red_run_exits_with_1_and_says_what_to_do(mixpeek: Mixpeek, notes: Path, plugin: Path) -> None:
    core = plugin / "processors" / "core.py"
    core.write_text(core.read_text().replace('batch["vector"]', 'batch["another"]'))
    mixpeek("collection", "create", "red", "--plugin", str(plugin), "--bucket", "red")
    mixpeek("ingest", str(notes), "--bucket", "red")

    done = mixpeek("materialize", "red")

    assert done.returncode == 1
    assert "rename it to 'vector'" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("materialize", "unknown"), "collection 'unknown'"),
        (("search", "unknown", "words"), "collection 'unknown'"),
        (("ingest", "no-such-path", "--bucket", "b1"), "path 'no-such-path'"),
        (("collection", "create", "x1", "--plugin", "nowhere", "--bucket", "b1"), "it is not a folder"),
        (("collection", "create", "x1", "--plugin", "p"), "exactly one of --bucket and --from"),
        (("collection", "create", "x1", "--plugin", "p", "--bucket", "b1", "--param", "x"), "key=value"),
        (("collection", "create", "x1", "--plugin", "p", "--bucket", "b1", "--filter", "{"), "it is not JSON"),
    ],
)
def test_a_mistake_is_one_clear_error(mixpeek: Mixpeek, arguments: tuple[str, ...], said: str) -> None:
    done = mixpeek(*arguments)
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
    assert "code " in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_wrong_name_is_refused_without_a_traceback(mixpeek: Mixpeek, plugin: Path) -> None:
    done = mixpeek("collection", "create", "no good name!", "--plugin", str(plugin), "--bucket", "b1")
    assert done.returncode == 1
    assert "no good name!" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_named(mixpeek: Mixpeek) -> None:
    done = mixpeek("collection", "list", MIXPEEK_BATCH_SIZE="many")
    assert done.returncode == 1
    assert "MIXPEEK_BATCH_SIZE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_does_not_answer_is_named_without_its_password(mixpeek: Mixpeek) -> None:
    done = mixpeek(
        "collection", "list", MIXPEEK_MONGODB_URL="mongodb://me:secret@127.0.0.1:9/?serverSelectionTimeoutMS=500"
    )
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_says_what_is_running(mixpeek: Mixpeek) -> None:
    mixpeek("collection", "list")
    findings = {finding["name"]: finding for finding in json.loads(mixpeek("doctor", "--json").stdout)}
    assert {findings[name]["state"] for name in ("mongodb", "qdrant", "s3")} <= {"ok", "off"}
    assert findings["python"]["state"] == "ok"


def test_doctor_fails_on_a_server_that_does_not_answer(mixpeek: Mixpeek) -> None:
    done = mixpeek("doctor", "--json", MIXPEEK_QDRANT_URL="http://127.0.0.1:9")
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert findings["qdrant"]["state"] == "failed"
    assert done.returncode == 1


@pytest.fixture
def demo(mixpeek: Mixpeek, tmp_path: Path) -> Iterator[Callable[[], Done]]:
    """`mixpeek demo` in one new home."""
    home = tmp_path / "demo-home"

    def run() -> Done:
        done = mixpeek("demo", MIXPEEK_HOME=str(home))
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    yield run
    stop_embedded(home)


def test_the_demo_works(demo: Callable[[], Done]) -> None:
    first = demo()
    assert _row(first, "documents_reused") == [0, 0]
    assert "chelsea.png" in first.stdout
    assert re.search(r"cosine with the batch vector (1\.0000|0\.9999)", " ".join(first.stdout.split()))
    assert "rename it to 'my_embedding'" in " ".join(first.stdout.split())
    assert "mixpeek up" in first.stdout.strip().splitlines()[-1]


@pytest.mark.slow
def test_the_demo_computes_nothing_again(demo: Callable[[], Done]) -> None:
    first, second = demo(), demo()
    assert _row(second, "documents_submitted_to_engine") == [0, 0]
    assert _row(second, "documents_reused") == _row(first, "documents_written")


def test_up_serves_the_graph_and_one_interrupt_ends_everything(mixpeek: Mixpeek, tmp_path: Path, plugin: Path) -> None:
    home = tmp_path / "up-home"
    command = [sys.executable, "-c", "from mixpeek_dagster.cli.main import run; run()", "up", "--port", "0"]
    with (tmp_path / "up.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, "MIXPEEK_HOME": str(home)}, stdout=log, stderr=log)
    try:
        url = _wait_for_url(tmp_path / "up.log", process)
        reply = httpx.post(f"{url}/graphql", json={"query": "{ version }"}, timeout=30).json()
        second = mixpeek("up", MIXPEEK_HOME=str(home))
        created = mixpeek(
            "collection", "create", "fresh", "--plugin", str(plugin), "--bucket", "docs", MIXPEEK_HOME=str(home)
        )
        assets = httpx.post(f"{url}/graphql", json={"query": "{ assetNodes { assetKey { path } } }"}, timeout=30).json()
        process.send_signal(signal.SIGINT)
        process.wait(60)
    finally:
        process.kill()
    assert reply["data"]["version"]
    assert second.returncode == 1
    assert "already runs on it" in " ".join(second.stderr.split())
    assert created.returncode == 0, created.stderr
    assert ["default", "fresh", "documents"] in [node["assetKey"]["path"] for node in assets["data"]["assetNodes"]]
    assert _processes_of(home) == []


def _wait_for_url(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text()
        if "Ctrl-C" in text and (found := re.search(r"http://127\.0\.0\.1:\d+", text)):
            return found.group()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
    raise AssertionError(log.read_text())


def _processes_of(home: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(home) in command:
                found.append(command)
    return found


def _row(done: Done, counter: str) -> list[int]:
    line = next(line for line in done.stdout.splitlines() if f" {counter} " in line)
    return [int(cell) for cell in line.split("│")[2:4]]
