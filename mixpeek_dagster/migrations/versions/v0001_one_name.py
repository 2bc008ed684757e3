"""Catalog: buckets and collections hold their name once.

They held it a second time as `_name`, for a unique index on it. That index is now on `bucket_name` and
`collection_name`, and `_name` goes. Records of these two kinds are of version 1 from here on.

It can be repeated: an index that is there is not made again, one that is gone is not dropped again, and records
without `_name` are left alone. The old index goes before the field does, since it would take records without the
field for records of one name.
"""

from __future__ import annotations

from mixpeek_dagster.migrations.work import Work

_NAMES = {"buckets": "bucket_name", "collections": "collection_name"}
_OLD_INDEX = "namespace_id_1__name_1"


def migrate(work: Work) -> None:
    """Move the unique index to the name itself and drop the copy."""
    for kind, name in _NAMES.items():
        records = work.database[kind]
        records.create_index([("namespace_id", 1), (name, 1)], unique=True)
        work.reached(f"{kind} have a new index")
        if _OLD_INDEX in records.index_information():
            records.drop_index(_OLD_INDEX)
        work.reached(f"{kind} have lost the old index")
        for ids in work.ids(records, {"_name": {"$exists": True}}):
            records.update_many({"_id": {"$in": ids}}, {"$unset": {"_name": ""}, "$set": {"schema_version": 1}})
            work.reached(f"{kind} up to {ids[-1]}")
