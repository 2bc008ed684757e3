"""What processes of one machine share of a model's weights: memory-mapped, they are one copy however many hold them.

    python -m bench.models --json figures.json

Each process loads the same model as a step does (`load_model`, `load_namespace_model`), embeds a text, and then asks
the kernel which of the pages that its parameters lie on are its own (`/proc/self/smaps`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.report import Figure, arguments, finish
from mixpeek_dagster.models.cache import snapshot_of
from mixpeek_dagster.models.packaged import install_packaged_models

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PROCESSES = 2

HOLD = """
import json, os, sys
os.environ.update(HF_HUB_CACHE=sys.argv[1], HF_HUB_OFFLINE="1", TQDM_DISABLE="1")
sys.path.insert(0, sys.argv[3])
import psutil, torch
from pathlib import Path
from mixpeek_dagster.models.loading import ModelRequest, load_model
from mixpeek_dagster.models.namespace import load_namespace_model, models_of

if sys.argv[2] == "load_model":
    found = load_model(ModelRequest("sentence-transformers/all-MiniLM-L6-v2"))
    with torch.inference_mode():
        found.model(**found.tokenizer(["read and write zip archives"], return_tensors="pt"))
    tensors = list(found.model.parameters())
else:
    with models_of("ns_bench", lambda model_id: Path(sys.argv[2])):
        tensors = list(load_namespace_model("minilm_1_0_0").values())
    float(sum(tensor.double().sum() for tensor in tensors))
print("held", flush=True)
sys.stdin.readline()

size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
starts = sorted((tensor.data_ptr(), tensor.numel() * tensor.element_size()) for tensor in tensors)
own, shared, inside = 0, 0, False
for line in Path("/proc/self/smaps").read_text().splitlines():
    words = line.split()
    if "-" in words[0] and not words[0].endswith(":"):
        start, end = (int(part, 16) for part in words[0].split("-"))
        inside = any(at < end and at + size > start for at, size in starts)
    elif inside and words[0] in ("Private_Clean:", "Private_Dirty:"):
        own += int(words[1]) * 1024
    elif inside and words[0] in ("Shared_Clean:", "Shared_Dirty:"):
        shared += int(words[1]) * 1024
memory = psutil.Process().memory_full_info()
print(json.dumps({"size": size, "own": own, "shared": shared, "uss": memory.uss, "pss": memory.pss}), flush=True)
sys.stdin.readline()
"""


def main() -> int:
    """Measure and print the figures."""
    options = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="mixpeek-bench-") as work:
        cache = Path(work)
        install_packaged_models(cache)
        weights = snapshot_of(cache, MODEL)
        assert weights is not None
        figures = [
            *_shares(cache, "load_model", "load_model"),
            *_shares(cache, str(weights / "model.safetensors"), "load_namespace_model"),
        ]
    return finish(figures, options.json)


def _shares(cache: Path, what: str, name: str) -> Iterator[Figure]:
    reports = _hold(cache, what)
    own = max(report["own"] / report["size"] for report in reports)
    mb = reports[0]["size"] / 1e6
    yield Figure(
        f"{name}_private_share",
        own,
        0.05,
        note=f"of {mb:.1f} MB of weights, in each of {PROCESSES} processes that hold them",
    )
    resident = min((report["own"] + report["shared"]) / report["size"] for report in reports)
    yield Figure(f"{name}_resident_share", resident, 0.3, "at least", note="of the weights: they were really read")
    spread = sum(report["pss"] - report["uss"] for report in reports) / 1e6
    yield Figure(f"{name}_shared_mb", spread, note="what the processes' PSS counts of pages that they share")


def _hold(cache: Path, what: str) -> list[dict[str, Any]]:
    """Reports of processes that all hold the model at the same time."""
    command = [sys.executable, "-W", "ignore", "-c", HOLD, str(cache), what, str(Path(__file__).parents[1])]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    reports = []
    try:
        for process in processes:
            _require(_line(process) == "held", "a process could not load the model")
        for process in processes:
            _go_on(process)
            reports.append(json.loads(_line(process)))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return reports


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _require(so: bool, otherwise: str) -> None:
    if not so:
        raise SystemExit(otherwise)


if __name__ == "__main__":
    sys.exit(main())
