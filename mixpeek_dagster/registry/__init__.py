"""Entering plugins and collections into a namespace: what can be refused is refused before anything is stored."""
