"""What workers take in turn: parts of the rows, or shares of parts, so that all are done at about the same time."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mixpeek_dagster.rows.rows import Rows

_LEAST_ROWS = 128
"""A share with fewer rows costs more to hand over, and to pack by length, than it evens out."""
_ROUNDS = 3
"""How many pieces of the size of the next one each worker could still take."""


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
    """The pieces of rows, in order: whole parts first, ever smaller shares towards the end.

    Each piece has its price, and the last ones decide how long workers wait for each other (guided self-scheduling,
    Polychronopoulos and Kuck, 1987).

    Args:
        workers: how many take pieces.
    """
    pieces: list[Piece] = []
    most = _most_shares(rows)
    for number, part in enumerate(rows.parts):
        shares = min(most, -(-workers * _ROUNDS // (len(rows.parts) - number)))
        pieces.extend(Piece(part, index, shares) for index in range(shares))
    return pieces


def _most_shares(rows: Rows) -> int:
    return max(1, rows.count // len(rows.parts) // _LEAST_ROWS)
