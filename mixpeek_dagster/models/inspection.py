"""Weights looked at in a process of their own, before anybody else loads them."""

from __future__ import annotations

import math
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from mixpeek_dagster.errors import InvalidRequest, MixpeekError, from_dict
from mixpeek_dagster.models.weights import read_weights, require_safetensors, weight_files
from mixpeek_dagster.processes.child import run_to_end

_SECONDS = 300
_PRIVATE_BYTES = 8 * 2**30
_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
_TYPES |= {"I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool"}


@dataclass(frozen=True)
class WeightsReport:
    """What a state dict holds: tensors, numbers in them, bytes, and the types of the numbers."""

    tensors: int
    parameters: int
    bytes: int
    dtypes: tuple[str, ...]


def inspect_weights(path: Path) -> WeightsReport:
    """What a state dict holds.

    Safetensors say it in their headers; everything else is loaded as it will be loaded later, in another process with
    limits on time and private memory.

    Args:
        path: a file, or a Hugging Face folder.

    Raises:
        InvalidRequest: it cannot be loaded, or is a pickle that would run code.
    """
    files = weight_files(path)
    if all(file.suffix == ".safetensors" for file in files):
        return _of_headers(files)
    command = [sys.executable, "-m", "mixpeek_dagster.models.inspection", str(path)]
    try:
        done = run_to_end(command, _SECONDS)
    except TimeoutError:
        raise InvalidRequest(path.name, why=f"looking at it took over {_SECONDS} s") from None
    try:
        reply = orjson.loads(done.output.splitlines()[-1])
    except (orjson.JSONDecodeError, IndexError):
        last = done.errors.decode(errors="replace").strip().splitlines()[-1:]
        why = f"the process that looked at it ended with {done.status}: {''.join(last)[:300]}"
        raise InvalidRequest(path.name, why=why, fix="Save it as safetensors") from None
    if "error" in reply:
        raise from_dict(reply["error"])
    return WeightsReport(**{**reply, "dtypes": tuple(reply["dtypes"])})


def _of_headers(files: list[Path]) -> WeightsReport:
    tensors: dict[str, Any] = {}
    for path in files:
        require_safetensors(path)
        with path.open("rb") as file:
            header = orjson.loads(file.read(int.from_bytes(file.read(8), "little")))
        tensors.update({name: about for name, about in header.items() if name != "__metadata__"})
    return WeightsReport(
        len(tensors),
        sum(math.prod(about["shape"]) for about in tensors.values()),
        sum(about["data_offsets"][1] - about["data_offsets"][0] for about in tensors.values()),
        tuple(sorted({_TYPES.get(about["dtype"], about["dtype"].lower()) for about in tensors.values()})),
    )


def _main(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_PRIVATE_BYTES, _PRIVATE_BYTES))
    try:
        weights = read_weights(path)
    except MixpeekError as error:
        reply: dict[str, object] = {"error": error.to_dict()}
    else:
        report = WeightsReport(
            len(weights),
            sum(tensor.numel() for tensor in weights.values()),
            sum(tensor.numel() * tensor.element_size() for tensor in weights.values()),
            tuple(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in weights.values()})),
        )
        reply = asdict(report)
    sys.stdout.buffer.write(orjson.dumps(reply) + b"\n")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
