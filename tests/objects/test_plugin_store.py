"""Registered plugins on the machines that run them: fetched once, checked always."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from mixpeek_dagster.catalog.records import PluginReference
from mixpeek_dagster.embedded import EmbeddedStores
from mixpeek_dagster.errors import NotFound, PluginError
from mixpeek_dagster.objects.connection import S3Access
from mixpeek_dagster.objects.object_store import ObjectStore
from mixpeek_dagster.objects.plugins import PluginStore
from mixpeek_dagster.plugins.archive import ArchiveLimits, pack
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.package import import_plugin_module
from tests.plugins.conftest import FEATURES, MakePlugin, make_plugin

__all__ = ["make_plugin"]


@dataclass
class Registered:
    """A plugin store of its own and one plugin in it."""

    objects: ObjectStore
    store: PluginStore
    reference: PluginReference
    cache: Path


@pytest.fixture
def objects(embedded: EmbeddedStores) -> ObjectStore:
    access = S3Access(embedded.s3_url, "us-east-1", embedded.s3_access_key_id, embedded.s3_secret_access_key)
    return ObjectStore(access, f"plugins-{secrets.token_hex(4)}")


def register(store: PluginStore, folder: Path, tmp_path: Path) -> PluginReference:
    """Pack a folder and put it."""
    archive = tmp_path / f"{secrets.token_hex(4)}.zip"
    digest = pack(folder, archive)
    spec = load_plugin(folder).spec
    key = store.key("ns_1", spec.plugin_id, digest)
    store.put(key, archive)
    return PluginReference(
        name=spec.name, version=spec.version, plugin_id=spec.plugin_id, archive=key, code_hash=digest
    )


@pytest.fixture
def registered(objects: ObjectStore, make_plugin: MakePlugin, tmp_path: Path) -> Registered:
    cache = tmp_path / "cache"
    store = PluginStore(lambda: objects, cache, ArchiveLimits())
    return Registered(objects, store, register(store, make_plugin(), tmp_path), cache)


def test_a_plugin_is_fetched_once(registered: Registered) -> None:
    folder = registered.store.folder(registered.reference)
    assert load_plugin(folder).spec.plugin_id == registered.reference.plugin_id
    registered.store.delete(str(registered.reference.archive))
    assert registered.store.folder(registered.reference) == folder


def test_a_changed_cache_is_fetched_again(registered: Registered) -> None:
    folder = registered.store.folder(registered.reference)
    (folder / "pipeline.py").write_text("raise SystemExit")
    assert registered.store.folder(registered.reference) == folder
    assert "build_steps" in (folder / "pipeline.py").read_text()


def test_many_at_once_get_one_whole_folder(registered: Registered) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(registered.store.folder, [registered.reference] * 8))
    (folder,) = folders
    assert (folder / "processors" / "core.py").is_file()
    assert [path.name for path in registered.cache.iterdir()] == [registered.reference.code_hash]


def test_what_is_fetched_is_hashed_once_per_load(registered: Registered) -> None:
    folder = registered.store.folder(registered.reference)
    command = [sys.executable, "-m", "tests.plugins.reads", str(folder)]
    command += [registered.reference.model_dump_json(), str(registered.cache)]

    first, again = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert first["processors/core.py"] == again["processors/core.py"] == 1


def test_a_missing_archive_is_said(registered: Registered) -> None:
    registered.store.delete(str(registered.reference.archive))
    with pytest.raises(NotFound):
        registered.store.folder(registered.reference)
    assert list(registered.cache.iterdir()) == []


def test_an_archive_of_other_code_is_refused(registered: Registered, make_plugin: MakePlugin, tmp_path: Path) -> None:
    pack(make_plugin(FEATURES + "# changed\n", "other"), tmp_path / "other.zip")
    registered.store.put(str(registered.reference.archive), tmp_path / "other.zip")
    with pytest.raises(PluginError, match="other code"):
        registered.store.folder(registered.reference)


def test_a_broken_archive_is_refused(registered: Registered) -> None:
    registered.objects.put(str(registered.reference.archive), b"no zip")
    with pytest.raises(PluginError, match="broken"):
        registered.store.folder(registered.reference)


def test_two_plugins_with_the_same_modules_live_in_one_process(
    objects: ObjectStore, make_plugin: MakePlugin, tmp_path: Path
) -> None:
    store = PluginStore(lambda: objects, tmp_path / "cache", ArchiveLimits())
    cores = {name: f'class Embed:\n    """{name}"""\n' for name in ("first", "second")}
    plugins = {
        name: load_plugin(store.folder(register(store, make_plugin(FEATURES, name, processors__core=core), tmp_path)))
        for name, core in cores.items()
    }
    for name, plugin in plugins.items():
        module = import_plugin_module(plugin.package, "processors.core", plugin.spec.folder)
        assert module.Embed.__doc__ == name
    assert "processors" not in sys.modules
