"""Collections as Dagster definitions: assets, checks, jobs, sensors."""
