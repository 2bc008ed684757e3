"""Models of a namespace: uploaded, looked at, used, and refused when they would run code."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import torch

from mixpeek_dagster.models.namespace import load_namespace_model
from mixpeek_dagster.stores import Stores
from tests.api.conftest import Client, MakeClient, MakeModel


class Harm:
    """Runs a command when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.trace}",)


def namespace_id(client: Client) -> str:
    return str(client.call("GET", f"/namespaces/{client.namespace}").json()["namespace_id"])


def cached(client: Client, model_id: str) -> object:
    return client.models("GET", f"/{model_id}").json()["model"]["cached"]


def test_an_uploaded_model_is_loaded_in_a_step(client: Client, stores: Stores, make_model: MakeModel) -> None:
    confirmed = client.upload_model(make_model(), "words-of-ours")
    assert confirmed.status_code == 200, confirmed.text
    assert confirmed.json()["model_id"] == "words-of-ours_1_0_0"
    listed = client.models("GET").json()
    assert (listed["total"], listed["models"][0]["tensors"], listed["models"][0]["parameters"]) == (1, 2, 16)
    assert cached(client, "words-of-ours_1_0_0") is False
    with stores.serve_models(namespace_id(client)):
        weights = load_namespace_model("words-of-ours_1_0_0")
    assert {name: tuple(value.shape) for name, value in weights.items()} == {"0.weight": (4, 3), "0.bias": (4,)}


def test_deploying_brings_it_to_the_machine(client: Client, make_model: MakeModel) -> None:
    client.upload_model(make_model(), "warm")
    deployed = client.models("POST", "/warm_1_0_0/deploy").json()
    assert (deployed["deployment_status"], deployed["cached"]) == ("deployed", True)
    assert cached(client, "warm_1_0_0") is True


def test_confirming_again_says_the_same(client: Client, make_model: MakeModel) -> None:
    upload = client.put_model(make_model(), "twice")
    first, second = (client.models("POST", f"/uploads/{upload}/confirm", json={}) for _ in range(2))
    assert first.json() == second.json()


def test_a_version_never_changes(client: Client, make_model: MakeModel) -> None:
    assert client.upload_model(make_model(1), "fixed").status_code == 200
    assert client.upload_model(make_model(1), "fixed").status_code == 200
    other = client.upload_model(make_model(2), "fixed")
    assert (other.status_code, other.json()["error"]["type"]) == (409, "AlreadyExistsError")
    assert client.upload_model(make_model(2), "fixed", "1.0.1").status_code == 200


def test_another_tenant_s_model_is_not_reachable_from_a_step(
    client: Client, make_client: MakeClient, stores: Stores, make_model: MakeModel
) -> None:
    client.upload_model(make_model(), "secret")
    stranger = make_client()
    with stores.serve_models(namespace_id(stranger)), pytest.raises(Exception, match="namespace has none of that id"):
        load_namespace_model("secret_1_0_0")


def test_a_state_dict_is_loaded(client: Client, stores: Stores, tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    assert client.upload_model(tmp_path / "model.pt", "linear", "1.0.0", "pytorch").status_code == 200
    with stores.serve_models(namespace_id(client)):
        assert torch.equal(load_namespace_model("linear_1_0_0")["weight"], model.weight)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(client: Client, tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(1), "harm": Harm(tmp_path / "trace")}, tmp_path / "model.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Harm(tmp_path / "trace")))
    upload = client.put_model(tmp_path / "model.pt", "harmful", "1.0.0", "pytorch")
    for _ in range(2):
        refused = client.models("POST", f"/uploads/{upload}/confirm", json={})
        assert refused.status_code == 400
        assert "it would run posix.system" in refused.text
    raw = client.upload_model(tmp_path / "raw.pt", "harmful", "1.0.1", "pytorch")
    assert raw.status_code == 400
    assert "weights_only refuses it" in raw.text
    assert not (tmp_path / "trace").exists()
    assert client.models("GET").json()["total"] == 0
    states = [upload["status"] for upload in client.models("GET", "/uploads").json()["results"]]
    assert states == ["FAILED", "FAILED"]


@pytest.mark.parametrize(
    ("model_format", "word"), [("safetensors", "no safetensors file"), ("pytorch", "no state dict")]
)
def test_what_is_no_model_is_refused(client: Client, tmp_path: Path, model_format: str, word: str) -> None:
    (tmp_path / "model").write_bytes(b"these are no weights " * 10)
    refused = client.upload_model(tmp_path / "model", "nothing", "1.0.0", model_format)
    assert refused.status_code == 400
    assert word in refused.text


def test_what_is_around_a_state_dict_is_refused(client: Client, tmp_path: Path) -> None:
    torch.save({"state_dict": {"weight": torch.ones(1)}, "epoch": 3}, tmp_path / "model.pt")
    refused = client.upload_model(tmp_path / "model.pt", "checkpoint", "1.0.0", "pytorch")
    assert refused.status_code == 400
    assert "Save model.state_dict() alone" in refused.text


@pytest.fixture
def folder(tmp_path: Path, make_model: MakeModel) -> Path:
    folder = tmp_path / "bert"
    folder.mkdir()
    shutil.copy(make_model(), folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


def packed_tar(folder: Path, *more: tarfile.TarInfo) -> Path:
    """A tar.gz of a folder, with further entries."""
    archive = folder.parent / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
        for entry in more:
            tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    return archive


def packed_zip(folder: Path) -> Path:
    archive = folder.parent / "model.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in folder.iterdir():
            packed.write(path, path.name)
    return archive


@pytest.mark.parametrize("pack", [packed_tar, packed_zip])
def test_a_packed_folder_is_a_state_dict(
    client: Client, stores: Stores, folder: Path, pack: Callable[[Path], Path]
) -> None:
    confirmed = client.upload_model(pack(folder), "packed", "1.0.0", "huggingface")
    assert confirmed.status_code == 200, confirmed.text
    with stores.serve_models(namespace_id(client)):
        assert load_namespace_model("packed_1_0_0").keys() == {"0.weight", "0.bias"}


def test_the_same_files_are_the_same_model_however_they_are_packed(client: Client, folder: Path) -> None:
    assert client.upload_model(packed_tar(folder), "same", "1.0.0", "huggingface").status_code == 200
    assert client.upload_model(packed_zip(folder), "same", "1.0.0", "huggingface").status_code == 200


def hostile(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size, entry.linkname = kind, size, target
    return entry


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        (hostile("bert/../../escaped", size=1), "'..' as a part"),
        (hostile("/etc/escaped", size=1), "absolute path"),
        (hostile("bert/link", tarfile.SYMTYPE, target="/etc/passwd"), "a link"),
        (hostile("bert/hard", tarfile.LNKTYPE, target="bert/config.json"), "a link"),
        (hostile("bert/device", tarfile.CHRTYPE), "no plain file"),
        (hostile("bert/config.json", size=1), "two entries have this name"),
    ],
)
def test_archives_that_reach_elsewhere_are_refused(
    client: Client, folder: Path, entry: tarfile.TarInfo, word: str
) -> None:
    refused = client.upload_model(packed_tar(folder, entry), "hostile", "1.0.0", "huggingface")
    assert refused.status_code == 400
    assert word in refused.json()["error"]["message"]


def test_an_upload_without_a_file_waits_for_it(client: Client) -> None:
    wanted = {"name": "empty", "version": "1.0.0", "model_format": "safetensors"}
    upload = client.models("POST", "/uploads", json=wanted).json()
    missing = client.models("POST", f"/uploads/{upload['upload_id']}/confirm", json={})
    assert missing.status_code == 404
    assert "model.safetensors" in missing.json()["error"]["details"]["fix"]
    assert httpx.put(upload["presigned_url"], content=b"").is_success


def test_a_model_that_is_too_large_is_refused_before_it_is_put(client: Client, stores: Stores) -> None:
    size = stores.settings.model_bytes + 1
    wanted = {"name": "large", "version": "1.0.0", "model_format": "safetensors", "file_size_bytes": size}
    assert client.models("POST", "/uploads", json=wanted).status_code == 400


def test_a_deleted_model_is_gone_with_its_file(client: Client, stores: Stores, make_model: MakeModel) -> None:
    client.upload_model(make_model(), "gone")
    url = client.models("GET", "/gone_1_0_0").json()["model"]["model_archive_url"]
    assert client.models("DELETE", "/gone_1_0_0").status_code == 200
    assert client.models("GET", "/gone_1_0_0").status_code == 404
    assert stores.objects.keys(url.removeprefix(f"s3://{stores.objects.bucket}/")) == []


def test_a_file_that_was_changed_in_s3_is_refused(client: Client, stores: Stores, make_model: MakeModel) -> None:
    client.upload_model(make_model(1), "changed")
    url = client.models("GET", "/changed_1_0_0").json()["model"]["model_archive_url"]
    stores.objects.put(url.removeprefix(f"s3://{stores.objects.bucket}/"), make_model(2))
    refused = client.models("POST", "/changed_1_0_0/deploy")
    assert refused.status_code == 500
    assert "not what was uploaded" in refused.text
    assert cached(client, "changed_1_0_0") is False
