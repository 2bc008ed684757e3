"""Services as processes: starting, keeping, draining."""
