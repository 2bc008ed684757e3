"""Versions of what is stored: bringing an installation up to date, and refusing one that later code has written."""
