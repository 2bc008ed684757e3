"""How steps run: rows, conditions, calls, failures, vectors and the ledger."""
