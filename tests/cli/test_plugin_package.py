"""`mixpeek plugin manifests` and `bento` as processes, of registered plugins and of folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import EXAMPLES, Mixpeek
from tests.cli.test_plugins import write_plugin

IMAGE = ("--image", "registry.example.com/x:1")
REALTIME = "class InferenceService:\n    def __call__(self, inputs, parameters):\n        return {}\n"


def test_manifests_of_a_registered_plugin_and_of_its_folder_are_the_same(mixpeek: Mixpeek, tmp_path: Path) -> None:
    folder = write_plugin(tmp_path, "packaged")
    (folder / "realtime.py").write_text(REALTIME)
    assert mixpeek("plugin", "push", str(folder)).returncode == 0
    options = (*IMAGE, "--gpu", "1", "--memory", "8Gi", "--max-replicas", "3")
    printed = mixpeek("plugin", "manifests", "packaged_1_0_0", *options)
    assert printed.returncode == 0, printed.stderr
    found = list(yaml.safe_load_all(printed.stdout))
    assert [manifest["kind"] for manifest in found] == [
        "Deployment",
        "Service",
        "NetworkPolicy",
        "HorizontalPodAutoscaler",
    ]
    (container,) = found[0]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/x:1"
    assert container["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "1"}
    written = mixpeek("plugin", "manifests", str(folder), *options, "--output", "made.yaml")
    assert "kubectl apply -f made.yaml" in written.stdout
    assert list(yaml.safe_load_all((tmp_path / "made.yaml").read_text())) == found


@pytest.mark.parametrize("verb", ["bento", "manifests"])
def test_a_users_mistake_is_one_clear_error(mixpeek: Mixpeek, tmp_path: Path, verb: str) -> None:
    options = IMAGE if verb == "manifests" else ()
    unknown = mixpeek("plugin", verb, "nothing_1_0_0", *options)
    still = mixpeek("plugin", verb, str(write_plugin(tmp_path, "still")), *options)
    for done, said in ((unknown, "plugin 'nothing_1_0_0'"), (still, "realtime.py")):
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_bento_of_a_folder_says_how_to_serve_it(mixpeek: Mixpeek, tmp_path: Path) -> None:
    done = mixpeek("plugin", "bento", str(EXAMPLES / "my_extractor"), "--json", BENTOML_HOME=str(tmp_path / "bentoml"))
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["tag"].startswith("my_extractor_1_0_0:")
    assert made["file"] is None
