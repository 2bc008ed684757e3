"""Object storage: what users put in, and the rows that runs keep."""
