"""The one address of all services: Caddy in front, and a router that says who may call what, and where it answers."""
