"""What workers take in turn: parts of the rows, or shares of parts, so that all are done at about the same time."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mixpeek_dagster.engine.rows import Rows

_LEAST_ROWS = 256
"""A share with fewer rows costs more to hand over, and to pack by length, than it evens out."""
_PER_WORKER = 32


@dataclass(frozen=True)
class Piece:
    """The share `index` of `shares` of a part."""

    part: str
    index: int
    shares: int

    def of(self, table: pa.Table) -> pa.Table:
        """Its rows of the part's."""
        start, end = (table.num_rows * place // self.shares for place in (self.index, self.index + 1))
        return table.slice(start, end - start)


def most_pieces(rows: Rows) -> int:
    """How many pieces rows can be cut into."""
    return len(rows.parts) * _most_shares(rows)


def cut_into_pieces(rows: Rows, workers: int) -> list[Piece]:
    """The pieces of rows, in order, some for each worker where there are enough rows.

    Args:
        workers: how many take pieces.
    """
    shares = min(_most_shares(rows), -(-workers * _PER_WORKER // len(rows.parts)))
    return [Piece(part, index, shares) for part in rows.parts for index in range(shares)]


def _most_shares(rows: Rows) -> int:
    return max(1, rows.count // len(rows.parts) // _LEAST_ROWS)
