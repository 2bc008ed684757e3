"""The worlds of the run tests serve here, too."""

from tests.runs.conftest import make_settings, make_world, world

__all__ = ["make_settings", "make_world", "world"]
