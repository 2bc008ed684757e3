"""Every verb does the same in this process and over HTTP, or says that it cannot: one door to one set of operations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
import typer.main
from safetensors.torch import save_file

from mixpeek_dagster.api.server import ApiServer
from mixpeek_dagster.catalog.records import Batch, TaskStatus
from mixpeek_dagster.cli.main import app
from mixpeek_dagster.dagster_home.ui_server import DagsterServer
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.stores import open_stores
from tests.cli.conftest import Mixpeek
from tests.cli.test_plugins import write_plugin
from tests.cli.verb_steps import APART, REFUSED, SEARCHES, STEPS, TOOLS, Step

HERE, AWAY = "hereabouts", "faraway"


def verbs() -> set[str]:
    """Every verb of the command."""
    return set(_verbs(typer.main.get_command(app), ""))


def _verbs(group: Any, before: str) -> Iterator[str]:
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from _verbs(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def verb_of(line: str, known: set[str]) -> str:
    words = line.split()
    return next(verb for length in (3, 2, 1) if (verb := " ".join(words[:length])) in known)


def test_a_new_verb_must_say_how_it_works_at_a_server() -> None:
    known = verbs()
    both = {verb_of(step.line, known) for step in (*STEPS, *SEARCHES)}
    assert both | APART | set(REFUSED) | TOOLS == known
    assert not both & (set(REFUSED) | TOOLS)


@dataclass
class Sides:
    """The command in this process and over HTTP, each in its namespace."""

    mixpeek: Mixpeek
    here: dict[str, str]
    away: dict[str, str]
    kept: dict[str, dict[str, str]]

    def run(self, step: Step) -> None:
        """Run a step both ways, and hold what came of it against each other."""
        found: dict[str, Any] = {}
        for namespace, environment in ((HERE, self.here), (AWAY, self.away)):
            kept = self.kept[namespace]
            done = self.mixpeek(*(word.format(**kept) for word in step.line.split()), **environment)
            assert done.returncode == step.code, f"{step.line} in {namespace}: {done.stdout}{done.stderr}"
            if step.keep:
                kept |= {name: json.loads(done.stdout)[key] for name, key in step.keep.items()}
            if "--json" in step.line and step.code == 0:
                found[namespace] = json.loads(without_names(done.stdout))
                assert found[namespace] is not None or "schema" in step.line
            else:
                # Words only: a progress bar that has gone leaves an empty line.
                found[namespace] = without_names(f"{done.stdout}{done.stderr}").split()
                assert found[namespace]
        assert found[HERE] == found[AWAY], step.line


def without_names(text: str) -> str:
    """What two namespaces cannot have in common, replaced by what it is."""
    for pattern, name in (
        (rf"\b({HERE}|{AWAY})\b", "NAMESPACE"),
        (r"\b(bkt|btch|col|doc|key|ns|obj|blob|upl)_[0-9a-f]{8,}", r"\1_ID"),
        (r"sk_[\w-]+", "SECRET"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "TIME"),
    ):
        text = re.sub(pattern, name, text)
    return text


@pytest.fixture
def sides(mixpeek: Mixpeek, cli_home: Path, tmp_path: Path) -> Iterator[Sides]:
    (tmp_path / "notes").mkdir()
    for number, name in enumerate(("plain.txt", "odd ü#%.txt", "none")):
        (tmp_path / "notes" / name).write_text(f"note {number}")
    (tmp_path / "schema.json").write_text('{"key_pattern": "{customer}/**"}')
    save_file({"weight": torch.ones(2, 3)}, tmp_path / "little.safetensors")
    files = {
        "folder": str(write_plugin(tmp_path, "tiny")),
        "files": str(tmp_path / "notes"),
        "file": str(tmp_path / "notes" / "plain.txt"),
        "schema": str(tmp_path / "schema.json"),
        "model": str(tmp_path / "little.safetensors"),
    }
    here = {"MIXPEEK_NAMESPACE": HERE}
    assert mixpeek("collection", "list", MIXPEEK_NAMESPACE=AWAY).returncode == 0
    key = json.loads(mixpeek("keys", "create", "door", "--permission", "admin", "--json", **here).stdout)["key"]
    settings = Settings.model_validate({"home": cli_home, "api_port": 0})
    with ApiServer(settings, {"MIXPEEK_HOME": str(cli_home)}) as server:
        away = {"MIXPEEK_API_URL": server.url, "MIXPEEK_API_KEY": key, "MIXPEEK_NAMESPACE": AWAY}
        away["MIXPEEK_HOME"] = str(tmp_path / "none")
        yield Sides(mixpeek, here, away, {HERE: dict(files), AWAY: dict(files)})
    assert not (tmp_path / "none").exists(), "a command that was to talk to the API made stores of its own"


def enter_batches(settings: Settings, namespace: str) -> dict[str, str]:
    """Batches as arrivals make them, that are over."""
    entered: dict[str, str] = {}
    with open_stores(settings) as stores:
        record = stores.catalog.ensure_namespace(namespace, settings.organization)
        bucket = stores.catalog.buckets.get_by_name(record.namespace_id, "shelf")
        for name, status in (("failed", TaskStatus.FAILED), ("done", TaskStatus.COMPLETED)):
            batch = Batch(
                batch_id=f"btch_{bucket.bucket_id[-8:]}{len(entered):04x}",
                bucket_id=bucket.bucket_id,
                namespace_id=record.namespace_id,
                object_count=0,
                content_hash="",
                created_at=datetime.now(UTC),
                status=status,
            )
            entered[name] = stores.catalog.batches.insert(batch).batch_id
    return entered


def test_every_verb_says_the_same_both_ways(sides: Sides, cli_home: Path) -> None:
    settings = Settings.model_validate({"home": cli_home})
    for step in STEPS:
        if "{failed}" in step.line and "failed" not in sides.kept[HERE]:
            for namespace in (HERE, AWAY):
                sides.kept[namespace] |= enter_batches(settings, namespace)
        sides.run(step)
    for namespace in (HERE, AWAY):
        done = sides.mixpeek("materialize", "notes", MIXPEEK_NAMESPACE=namespace)
        assert done.returncode == 0, done.stdout + done.stderr
    for step in SEARCHES:
        sides.run(step)


@pytest.mark.slow
def test_a_run_at_the_server_says_what_one_here_says(sides: Sides, cli_home: Path) -> None:
    for line in (
        "plugin push {folder} --json",
        "collection create notes --plugin tiny_1_0_0 --bucket notes --json",
        "ingest {files} --bucket notes --json",
    ):
        sides.run(Step(line))
    refused = sides.mixpeek("materialize", "notes", **sides.away)
    assert refused.returncode == 1
    assert "no Dagster runs" in " ".join(refused.stderr.split())
    settings = Settings.model_validate({"home": cli_home, "api_port": 0, "dagster_port": 0})
    key = {"MIXPEEK_API_KEY": sides.away["MIXPEEK_API_KEY"]}
    with DagsterServer(settings, {"MIXPEEK_HOME": str(cli_home)}) as dagster:
        environment = {"MIXPEEK_HOME": str(cli_home), "MIXPEEK_DAGSTER_URL": dagster.url}
        with ApiServer(settings, environment) as server:
            sides.away |= {"MIXPEEK_API_URL": server.url, **key}
            for line in (
                "materialize notes --json",
                "materialize notes --json",
                "materialize notes --recompute --json",
                "search notes note --json",
            ):
                sides.run(Step(line))
            sides.run(Step("materialize notes --batch btch_none", code=1))


@pytest.mark.parametrize("line", REFUSED.values())
def test_what_works_on_this_machine_alone_says_so(mixpeek: Mixpeek, tmp_path: Path, line: str) -> None:
    away = {"MIXPEEK_API_URL": "http://127.0.0.1:9", "MIXPEEK_API_KEY": "sk_none"}
    done = mixpeek(*line.split(), MIXPEEK_HOME=str(tmp_path / "none"), **away)
    said = " ".join(done.stderr.split())
    assert done.returncode == 1
    assert "MIXPEEK_API_URL is set" in said
    assert "code invalid_request" in said
    assert not (tmp_path / "none").exists()


def test_tools_need_no_server(mixpeek: Mixpeek, tmp_path: Path) -> None:
    away = {"MIXPEEK_API_URL": "http://127.0.0.1:9", "MIXPEEK_HOME": str(tmp_path / "none")}
    assert mixpeek("plugin", "new", "mine", **away).returncode == 0
    assert mixpeek("plugin", "check", "mine", **away).returncode == 0
    assert mixpeek("plugin", "pack", "mine", **away).returncode == 0
    findings = {finding["name"]: finding for finding in json.loads(mixpeek("doctor", "--json", **away).stdout)}
    assert findings["api"]["state"] == "failed"
    assert "s3" not in findings
    assert not (tmp_path / "none").exists()


def test_a_folder_of_this_machine_is_not_sent_to_an_api(mixpeek: Mixpeek, tmp_path: Path) -> None:
    away = {"MIXPEEK_API_URL": "http://127.0.0.1:9", "MIXPEEK_API_KEY": "sk_none"}
    folder = write_plugin(tmp_path, "linked")
    done = mixpeek("collection", "create", "notes", "--plugin", str(folder), "--bucket", "notes", **away)
    assert done.returncode == 1
    assert f"mixpeek plugin push {folder}" in " ".join(done.stderr.split())


def test_an_api_acts_with_the_installations_means_for_nobody(sides: Sides) -> None:
    assert sides.mixpeek("bucket", "create", "mine", **sides.away).returncode == 0
    lines: dict[str, tuple[str, ...]] = {
        "location": ("bucket", "create", "b1", "--location", "s3://elsewhere/"),
        "sync.queue_url": ("bucket", "sync", "on", "mine", "--queue-url", "http://127.0.0.1:9/queue"),
    }
    for what, line in lines.items():
        done = sides.mixpeek(*line, **sides.away)
        assert done.returncode == 1
        assert what in done.stderr
    allowed: Any = sides.mixpeek(*lines["location"], **sides.here)
    assert allowed.returncode == 0, allowed.stderr
    refused = sides.mixpeek("ingest", sides.kept[HERE]["file"], "--bucket", "b1", **sides.here)
    assert "s3://elsewhere/, where others put them" in " ".join(refused.stderr.split())
