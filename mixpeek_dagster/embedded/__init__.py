"""The embedded stores: MongoDB, Qdrant and S3 as processes on this machine, found or started under one home folder.

Everyone, this package included, talks to them by URL with the ordinary clients.
"""

from __future__ import annotations

from mixpeek_dagster.embedded.client import (
    EmbeddedStores,
    StoreStatus,
    open_embedded,
    stop_embedded,
    stores_status,
)

__all__ = ["EmbeddedStores", "StoreStatus", "open_embedded", "stop_embedded", "stores_status"]
