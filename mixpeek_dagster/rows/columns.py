"""Columns of the rows that travel through a run."""

from __future__ import annotations

VISIBLE = (
    "data",
    "document_id",
    "object_id",
    "blob_id",
    "blob_property",
    "blob_type",
    "collection_id",
    "feature_extractor_id",
    "mime_type",
    "size_bytes",
)
"""What every processor sees."""

SOURCE = ("object_key", "etag", "content_hash", "properties", "error")
"""What is known of the source beyond that; `error` says why its content could not be read."""

STATE = "_mixpeek_state"
STAGE = "_mixpeek_stage"
CODE = "_mixpeek_code"
CATEGORY = "_mixpeek_category"
MESSAGE = "_mixpeek_message"
SUGGESTION = "_mixpeek_suggestion"
SOURCE_ID = "_mixpeek_source"
"""Id of the source row that a row comes from: a blob, or a document of the collection before."""
POSITION = "_mixpeek_position"
"""Which of its source's rows a row is; empty for the source row itself."""
MATCHED = "_mixpeek_matched"
"""Names of the steps that got the row, separated by spaces."""
SIBLINGS = "_mixpeek_siblings"
"""How many rows its source has after the last step; for a reused source, how many documents it has in Qdrant."""

ORDER = "_mixpeek_order"
"""Place of a row in its chunk while a step runs."""

BOOKKEEPING = (STATE, STAGE, CODE, CATEGORY, MESSAGE, SUGGESTION, SOURCE_ID, POSITION, MATCHED, SIBLINGS, ORDER)
"""Ours alone."""

PROTECTED = (
    "document_id",
    "object_id",
    "blob_id",
    "blob_property",
    "collection_id",
    "feature_extractor_id",
    *SOURCE,
)
"""Identity of a row: restored after each step, whatever the processor did to it."""
