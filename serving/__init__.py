"""Realtime inference: plugins' realtime.py behind BentoML."""
