"""The Dagster code location: `workspace.yaml` and `mixpeek up` point here."""

from __future__ import annotations

import gc

import dagster as dg

from mixpeek_dagster.graph.catalog_source import CatalogSource
from mixpeek_dagster.graph.repository import REPOSITORY_NAME, CollectionsRepository
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.settings import Settings

_settings = Settings.load()
use_cache(_settings.models_path, _settings.models_folder)

repository = dg.RepositoryDefinition(
    REPOSITORY_NAME, repository_data=CollectionsRepository(CatalogSource(_settings), _settings)
)


def job(name: str) -> dg.JobDefinition:
    """One job of the code location: what a process that runs a step of it looks up."""
    return repository.get_job(name)


# What was imported stays: the garbage collector, which would look at all of it again and again, passes over it.
gc.freeze()
