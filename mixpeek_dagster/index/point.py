"""What is written to Qdrant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Point:
    """A document to write: all of its vectors at once, since a second upsert would replace the first."""

    document_id: str
    vectors: Mapping[str, npt.NDArray[np.float32]]
    payload: Mapping[str, Any]
