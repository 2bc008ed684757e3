"""What the command and the API share: everything that changes or asks something, once."""
