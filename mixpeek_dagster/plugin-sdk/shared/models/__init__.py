"""Models by id."""
