"""Model files: a Hugging Face cache folder that the libraries load from."""
