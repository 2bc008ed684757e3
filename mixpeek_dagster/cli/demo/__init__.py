"""`mixpeek demo`: the whole road from a plugin folder to found documents, on real files."""
