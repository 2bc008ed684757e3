"""One collection's run on one batch: select rows, run steps, keep features, write documents, judge."""
