"""Built-in models in realtime: what each kind takes and gives."""
