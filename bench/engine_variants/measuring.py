"""What every variant of the engine benchmark does the same way."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

TEXT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
IMAGE_MODEL = "torchvision/mobilenet_v2"
FRAME_ROWS = 1024


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def use_all_cores() -> None:
    """Have torch compute with as many threads as there are cores."""
    import torch

    torch.set_num_threads(cores())


def read_texts(folder: str) -> list[str]:
    """The texts of a folder, in the order of their names."""
    return [path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.txt"))]


def peak_mb() -> float:
    """Peak resident memory of this process, MB; unlike `getrusage` it knows nothing of the process that forked it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found.group(1)) / 1024


def finish(**values: Any) -> None:
    """Print the result for the process that started this one."""
    print(json.dumps(values), flush=True)
