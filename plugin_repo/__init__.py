"""Plugins as their authors write them."""
