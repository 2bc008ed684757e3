"""The security scan: what a plugin's source may not do, found without running any of it."""
