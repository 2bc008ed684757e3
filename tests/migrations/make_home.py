"""Make the archive of a home folder that earlier code wrote: `python -m tests.migrations.make_home CHECKOUT ARCHIVE`.

`data/home_0.tar.xz` was made of a checkout of e6817b2, the last commit whose stored data had no versions:

    git worktree add /somewhere/e6817b2 e6817b2
    python -m tests.migrations.make_home /somewhere/e6817b2 tests/migrations/data/home_0.tar.xz

Every command below is the checkout's own `mixpeek`, in processes that import nothing of today's code. The home holds a
bucket with texts, an image and a text that its plugin refuses; a registered plugin; a collection of it and one that
this collection feeds; an API key; a failed run with what it left between its steps; and a bucket in sync, with an
arrival in a batch, one that waits, and a message that could not be read. Logs, sockets and caches are left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.migrations.samples import image_bytes

_COMMAND = "from mixpeek_dagster.cli.main import run; run()"
_ARRIVALS = """
from mixpeek_dagster.cli.session import open_session
from mixpeek_dagster.ingest.tick import RunState, look

with open_session() as session:
    stores = session.stores
    bucket = stores.catalog.buckets.get_by_name(session.namespace.namespace_id, "landing")
    stores.objects.put(f"{bucket.prefix}first.txt", b"the first to arrive")
    look(stores.catalog, stores.objects, bucket, run_state=lambda batch: RunState.ABSENT)
    stores.objects.put(f"{bucket.prefix}second.txt", b"the second to arrive")
    patient = bucket.model_copy(update={"sync": bucket.sync.model_copy(update={"batch_seconds": 3600})})
    look(stores.catalog, stores.objects, patient, run_state=lambda batch: RunState.ABSENT)
    stores.catalog.dead_letters.keep(bucket, "message-1", "{", "it is no JSON")
"""
_STOP = """
import sys
from pathlib import Path
from mixpeek_dagster.embedded import stop_embedded

sys.exit(0 if stop_embedded(Path(sys.argv[1])) else 1)
"""
_LEFT_OUT = ("logs", "models", "spool/assets", "plugins", "run/stores.json", "dagster/logs", "dagster/.telemetry")
_MANIFEST = """metadata = {{"feature_extractor_name": "{name}", "version": "1.0.0", "description": "A small plugin"}}
input_schema = None
supported_input_types = ["text", "image"]
features = [
    {{"feature_type": "embedding", "feature_name": "{name}_vector", "embedding_dim": 4, "distance_metric": "cosine"}},
]
"""
_PIPELINE = """from engine.plugins.extractors.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps

from .processors.core import STEPS


def build_steps(extractor_request, **kwargs):
    steps = [StepDefinition(service_class=step) for step in STEPS]
    return {"steps": build_pipeline_steps(PipelineDefinition(name="p", version="1", steps=steps))}
"""
_EMBED = '''class Embed:
    """Four numbers made of the text."""

    def __call__(self, batch):
        if any("poison" in text for text in batch["data"]):
            raise ValueError("cannot read this")
        batch["NAME_vector"] = [[float(len(t)), float(sum(map(ord, t)) % 97), 1.0, 0.5] for t in batch["data"]]
        batch["words"] = [t.split()[:3] for t in batch["data"]]
        return batch


STEPS = [Embed]
'''
_BROKEN = '''class Mark:
    """A column more."""

    def __call__(self, batch):
        batch["mark"] = 1
        return batch


class Break:
    """A step that cannot begin."""

    def __init__(self, config=None):
        raise RuntimeError("this step never works")

    def __call__(self, batch):
        return batch


STEPS = [Mark, Break]
'''
_TEXTS = {
    "apples.txt": "apples are red, green and yellow",
    "bicycles.txt": "a bicycle has two wheels",
    "poison.txt": "this text is poison",
    "rain.txt": "rain falls in autumn",
}


class Checkout:
    """Earlier code, run in processes of its own on one home."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder = folder
        self._variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MIXPEEK_", "DAGSTER_"))},
            "PYTHONPATH": os.pathsep.join(map(str, (folder, folder / "mixpeek_dagster" / "plugin-sdk"))),
            "MIXPEEK_HOME": str(home),
            "HF_HUB_OFFLINE": "1",
        }

    def mixpeek(self, *arguments: str, fails: bool = False) -> None:
        """A command; one that should fail and does not is an error, too."""
        self.python(_COMMAND, *arguments, fails=fails)

    def python(self, code: str, *arguments: str, fails: bool = False) -> None:
        """A few lines of Python."""
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=self._folder, env=self._variables, check=False)
        if (done.returncode != 0) != fails:
            raise SystemExit(f"{' '.join(arguments) or code} ended with {done.returncode}")


def main(checkout: Path, archive: Path) -> None:
    """Make a home with a checkout's code and pack it."""
    with tempfile.TemporaryDirectory(prefix="mixpeek-home-") as name:
        work = Path(name)
        home = work / "home"
        fill(Checkout(checkout.resolve(), home), work, home)
        pack(home, archive)
    print(f"{archive}: {archive.stat().st_size:,} bytes")


def fill(old: Checkout, work: Path, home: Path) -> None:
    """Everything that a home may hold, little of each."""
    files = work / "files"
    files.mkdir()
    for name, text in _TEXTS.items():
        (files / name).write_text(text, encoding="utf-8")
    (files / "square.png").write_bytes(image_bytes())
    for name, code in (("notes", _EMBED), ("seconds", _EMBED), ("broken", _BROKEN)):
        old.mixpeek("plugin", "push", str(_plugin(work / name, code.replace("NAME", name))))
    old.mixpeek("keys", "create", "reader", "--permission", "read")
    old.mixpeek("ingest", str(files), "--bucket", "docs")
    old.mixpeek("collection", "create", "notes", "--plugin", "notes_1_0_0", "--bucket", "docs")
    old.mixpeek("collection", "create", "seconds", "--plugin", "seconds_1_0_0", "--from", "notes")
    old.mixpeek("collection", "create", "broken", "--plugin", "broken_1_0_0", "--bucket", "docs")
    old.mixpeek("materialize", "notes")
    old.mixpeek("materialize", "seconds")
    old.mixpeek("materialize", "broken", fails=True)
    old.mixpeek("bucket", "create", "landing")
    old.mixpeek("collection", "create", "landed", "--plugin", "notes_1_0_0", "--bucket", "landing")
    old.mixpeek("bucket", "sync", "on", "landing", "--batch-seconds", "0")
    old.python(_ARRIVALS)
    old.python(_STOP, str(home))


def pack(home: Path, archive: Path) -> None:
    """Pack a home whose stores are stopped."""

    def chosen(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        inside = entry.name.removeprefix("home/")
        left_out = inside.startswith(_LEFT_OUT) or not (entry.isfile() or entry.isdir())
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return None if left_out else entry

    with tarfile.open(archive, "w:xz", preset=9) as packed:
        packed.add(home, "home", filter=chosen)


def _plugin(folder: Path, code: str) -> Path:
    (folder / "processors").mkdir(parents=True)
    (folder / "manifest.py").write_text(_MANIFEST.format(name=folder.name), encoding="utf-8")
    (folder / "pipeline.py").write_text(_PIPELINE, encoding="utf-8")
    (folder / "processors" / "core.py").write_text(code, encoding="utf-8")
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
