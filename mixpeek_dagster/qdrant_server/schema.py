"""What a collection is: its vectors, payload indexes and settings, kept in one JSON file beside the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from mixpeek_dagster.processes.files import write_atomically
from mixpeek_dagster.qdrant_server.body import read
from mixpeek_dagster.qdrant_server.errors import FormatError, NotOffered, ValidationFailed

DISTANCES = ("Cosine", "Euclid", "Dot", "Manhattan")
MAX_SIZE = 65536
FILE = "schema.json"

# Settings that tune speed or memory. Search here is exact and in one process, so they are kept and shown, not applied.
_VECTOR_HINTS = {"on_disk": bool, "hnsw_config": dict, "quantization_config": dict, "memory": str}


@dataclass(frozen=True)
class VectorParams:
    """One named vector: its number of elements and how two are compared."""

    size: int
    distance: str
    hints: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_body(cls, raw: object, place: str) -> VectorParams:
        """Read Qdrant's `VectorParams`.

        Raises:
            ValidationFailed: a size outside 1..65536.
        """
        shape = {"size": int, "distance": str, "datatype": str, "multivector_config": dict, **_VECTOR_HINTS}
        fields = read(raw, place, shape, required=("size", "distance"))
        if fields.get("datatype", "float32") != "float32":
            raise NotOffered(f"datatype {fields['datatype']!r} of {place}")
        if "multivector_config" in fields:
            raise NotOffered(f"multivectors ({place})")
        if not 1 <= fields["size"] <= MAX_SIZE:
            raise ValidationFailed(f"[{place}.size: value {fields['size']} invalid, must be from 1 to {MAX_SIZE}]")
        if fields["distance"] not in DISTANCES:
            raise FormatError(f"unknown variant `{fields['distance']}`, expected one of {', '.join(DISTANCES)}")
        hints = {name: fields[name] for name in _VECTOR_HINTS if name in fields}
        return cls(fields["size"], fields["distance"], hints)

    def same_space(self, other: VectorParams) -> bool:
        """Whether both have one size and distance, so that vectors can be compared."""
        return (self.size, self.distance) == (other.size, other.distance)

    def to_body(self) -> dict[str, Any]:
        """As `GET /collections/{name}` shows it."""
        return {"size": self.size, "distance": self.distance, **self.hints}


@dataclass(frozen=True)
class CollectionSchema:
    """Everything about a collection but its points; `shard` is the folder of these, inside the collection's."""

    name: str
    vectors: dict[str, VectorParams] = field(default_factory=dict)
    shard: str = "shard-1"
    indexes: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> CollectionSchema:
        """Read the schema file of a collection's folder."""
        raw = orjson.loads((folder / FILE).read_bytes())
        vectors = {name: VectorParams(**params) for name, params in raw.pop("vectors").items()}
        return cls(vectors=vectors, **raw)

    def save(self, folder: Path) -> None:
        """Replace the schema file; a crash leaves the old or the new one, never half of one."""
        write_atomically(folder / FILE, orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))


def vectors_from_body(raw: object) -> dict[str, VectorParams]:
    """Read `vectors` of a new collection: none, one unnamed (held under the name "") or several named."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise FormatError("vectors: expected an object")
    if isinstance(raw.get("size"), int):
        return {"": VectorParams.from_body(raw, "vectors")}
    return {name: VectorParams.from_body(params, f"vectors.{name}") for name, params in raw.items()}


def vectors_to_body(vectors: Mapping[str, VectorParams]) -> dict[str, Any]:
    """One unnamed vector is written as Qdrant does: its parameters alone."""
    if set(vectors) == {""}:
        return vectors[""].to_body()
    return {name: params.to_body() for name, params in vectors.items()}
