"""Checking a plugin: every problem at once, the same on a laptop and on a server."""
