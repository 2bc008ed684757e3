"""Scores of documents for a query."""
