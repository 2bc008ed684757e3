"""Rows and what becomes of each: columns, states, codec, conditions, vectors, the ledger."""
