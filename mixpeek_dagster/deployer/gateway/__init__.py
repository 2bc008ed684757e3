"""The one address in front of all services."""
