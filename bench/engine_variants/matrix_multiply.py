"""How fast this machine multiplies matrices: the bound of what a transformer can do on it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

_TOKENS = (1024, 2048, 4096)
_SECONDS_PER_SHAPE = 0.3


def sgemm_flops(hidden: int, intermediate: int) -> float:
    """Float32 operations a second at the shapes of a transformer layer, weighted by their share of the layer's work."""
    import torch

    layer = [(hidden, hidden)] * 4 + [(hidden, intermediate), (intermediate, hidden)]
    best = 0.0
    for tokens in _TOKENS:
        seconds = {
            shape: _median_seconds(torch.rand(tokens, shape[0]), torch.rand(shape[0], shape[1])) for shape in set(layer)
        }
        flops = sum(2 * tokens * rows * columns for rows, columns in layer)
        best = max(best, flops / sum(seconds[shape] for shape in layer))
    return best


def bf16_flops(device: str, size: int = 8192) -> float:
    """Bfloat16 operations a second of square matrices on a device."""
    import torch

    left = torch.rand(size, size, device=device, dtype=torch.bfloat16)
    right = torch.rand(size, size, device=device, dtype=torch.bfloat16)
    return 2 * size**3 / _median_seconds(left, right)


def _median_seconds(left: Any, right: Any) -> float:
    import torch

    torch.mm(left, right)
    return statistics.median(_times(left, right))


def _times(left: Any, right: Any) -> Iterator[float]:
    import torch

    out = torch.mm(left, right)
    until = time.perf_counter() + _SECONDS_PER_SHAPE
    while time.perf_counter() < until:
        started = time.perf_counter()
        torch.mm(left, right, out=out)
        if left.is_cuda:
            torch.cuda.synchronize()
        yield time.perf_counter() - started
