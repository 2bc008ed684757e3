"""A code location of Dagster alone, with as many assets as a collection has; its code works on DataFrames."""

import dagster as dg
import pandas as pd


@dg.asset
def blobs() -> pd.DataFrame:
    """Rows."""
    return pd.DataFrame({"data": ["a", "b"]})


@dg.asset
def features(blobs: pd.DataFrame) -> pd.DataFrame:
    """The same rows with a number."""
    return blobs.assign(characters=blobs["data"].str.len())


@dg.asset
def documents(features: pd.DataFrame) -> None:
    """The end of the road."""


def job() -> dg.JobDefinition:
    """All three."""
    assets = [blobs, features, documents]
    whole = dg.define_asset_job("notes", selection=dg.AssetSelection.assets(*assets))
    return dg.Definitions(assets=assets, jobs=[whole]).resolve_job_def("notes")
