"""Batching across requests: what waits is packed to what a core computes well at a time."""
