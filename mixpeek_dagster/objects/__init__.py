"""S3: objects, kept rows, plugin archives, uploaded models."""
