"""Where a built-in service computes, in which number type, and on how many cores."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.extras import told_of_extras

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Device:
    """A torch device and the number type that models have on it, both by name."""

    name: str
    dtype: str

    @property
    def is_cuda(self) -> bool:
        return self.name.startswith("cuda")


@told_of_extras()
def choose_device(name: str | None = None, dtype: str | None = None) -> Device:
    """The device to compute on: a GPU if this process sees one, else the CPU.

    Args:
        name: a torch device, such as `cpu` or `cuda:1`; None chooses.
        dtype: a torch dtype; None takes float32 on the CPU, bfloat16 on a GPU that has it, else float16.

    Raises:
        InvalidRequest: a GPU is named and there is none.
    """
    import torch

    there = torch.cuda.is_available()
    name = name or ("cuda" if there else "cpu")
    if name.startswith("cuda") and not there:
        raise InvalidRequest(f"device {name!r}", why="this process sees no GPU", fix="Leave device out, or use cpu")
    if dtype is None:
        dtype = "float32"
        if name.startswith("cuda"):
            dtype = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return Device(name, dtype)


def compute_each(work: Callable[[Item], Result], items: Iterable[Item], device: Device) -> Iterator[Result]:
    """What `work` gives for each item, in order.

    On the CPU the items go side by side, each on one core: several matrices at a time, each multiplied by one thread,
    are done sooner than one after the other by all threads, which wait for each other after every operation.
    """
    if device.is_cuda:
        return map(work, items)
    return _lanes().map(work, items)


@functools.cache
def _lanes() -> ThreadPoolExecutor:
    """A thread per core that torch was given, each with one core for what torch would split up."""
    import torch

    threads = torch.get_num_threads()
    started = threading.Barrier(threads + 1)

    def start() -> None:
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="compute", initializer=start)
    for _ in range(threads):
        pool.submit(int)
    started.wait()
    # Torch keeps the number per thread, but threads that start later take the one that was set last, wherever.
    torch.set_num_threads(threads)
    return pool


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device or the machine has no memory left for a tensor."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def release(device: Device) -> None:
    """Give cached memory of a GPU back before a smaller batch is tried."""
    if device.is_cuda:
        import torch

        torch.cuda.empty_cache()


def no_gradients() -> Any:
    """A context in which torch computes for inference alone."""
    import torch

    return torch.inference_mode()
