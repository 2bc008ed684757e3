"""One module for each step from a version to the next; `mixpeek_dagster.migrations.plan` has their order."""
