"""The guide's own shell commands, run as they stand, on its own plugin: only the host is another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mixpeek_dagster.api.server import ApiServer
from tests import guide
from tests.api.conftest import Client

pytestmark = [
    guide.needs_guide,
    pytest.mark.skipif(not (shutil.which("zip") and shutil.which("curl")), reason="needs zip and curl"),
]


class Shell:
    """Runs the guide's commands in a folder with the plugin in it."""

    def __init__(self, folder: Path, server: ApiServer, variables: dict[str, str]) -> None:
        self.folder = folder
        self.server = server
        self.variables = variables

    def run(self, title: str) -> Any:
        """One command; gives what it printed, read as JSON if there is any."""
        command = (
            guide.commands()[title].replace("https://api.mixpeek.com", self.server.url).replace("curl ", "curl -sS ")
        )
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout


@pytest.fixture
def shell(tmp_path: Path, server: ApiServer, client: Client) -> Shell:
    guide.write_plugin("my_extractor", tmp_path / "my_extractor")
    key = client.http.headers["Authorization"].removeprefix("Bearer ")
    variables = {"NS_ID": client.namespace, "API_KEY": key, "ORG_ID": client.organization}
    return Shell(tmp_path, server, variables)


def test_the_guide_uploads_and_deploys(shell: Shell, client: Client) -> None:
    shell.run("Package your plugin")
    upload = shell.run("Get upload URL")
    assert "presigned_url" in upload, upload
    shell.variables |= {"PRESIGNED_URL": upload["presigned_url"], "UPLOAD_ID": upload["upload_id"]}
    shell.run("Upload")
    confirmed = shell.run("Confirm")
    assert confirmed["success"] is True, confirmed
    shell.variables["PLUGIN_ID"] = confirmed["plugin_id"]
    assert shell.variables["PLUGIN_ID"] == "my_extractor_1_0_0"
    assert shell.run("Deploy real-time endpoint (Enterprise)")["status"] == "queued"
    assert client.plugins("GET", "/my_extractor_1_0_0/status").json()["status"] == "QUEUED"


def test_the_guide_enables_with_parameters(shell: Shell, client: Client, server: ApiServer) -> None:
    shell.run("Package your plugin")
    client.push(shell.folder / "my_extractor.zip", "my_extractor")
    shell.variables["PLUGIN_ID"] = "my_extractor_1_0_0"
    # The guide's call names no namespace: it means the default one of the installation.
    reply = shell.run("When enabling a plugin via API:")
    assert reply["error"]["details"]["what"] == "namespace 'default'"
    assert client.namespace in reply["error"]["details"]["fix"]
    assert client.plugins("POST", "/org/my_extractor_1_0_0/enable", json={"params": {"threshold": 0.8}}).is_success


@pytest.mark.parametrize("title", ["Deploy Real-time Endpoint", "Check Status", "Undeploy", "Delete"])
def test_the_guides_calls_without_a_key_are_told_what_is_missing(shell: Shell, title: str) -> None:
    shell.variables |= {"PLUGIN_ID": "my_extractor_1_0_0", "API_KEY": ""}
    reply = shell.run(title)
    assert reply["status"] == 401
    assert "Authorization: Bearer" in reply["error"]["details"]["fix"]
