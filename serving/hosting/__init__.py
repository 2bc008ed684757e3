"""Where services run: what one process serves, processes of this machine, and keeping them up."""
