"""The rows of the tests of rows serve here, too."""

from tests.rows.conftest import folder, rows, run, source, spool

__all__ = ["folder", "rows", "run", "source", "spool"]
