"""Files become objects and batches; a batch's objects become rows."""
