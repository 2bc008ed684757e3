"""Requests and replies of a service."""
