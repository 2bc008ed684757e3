"""Texts and source code to vectors."""
