"""The `mixpeek` command."""
