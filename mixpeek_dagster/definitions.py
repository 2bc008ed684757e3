"""The Dagster code location: `workspace.yaml` and `mixpeek up` point here."""

from __future__ import annotations

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
