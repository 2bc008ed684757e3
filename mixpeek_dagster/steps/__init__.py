"""One step over rows: runner, calls, retries, limits; `ray`: the same on a cluster."""
