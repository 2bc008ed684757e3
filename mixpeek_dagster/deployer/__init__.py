"""Realtime endpoints as the catalog wants them: started, compared with the batch path, switched, kept up."""
