"""The REST API: the same operations as the command, over HTTP, one organization at a time."""
