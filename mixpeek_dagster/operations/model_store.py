"""The installation's model store, as everybody may see it."""

from __future__ import annotations

from mixpeek_dagster.models.adding import ListedModel, ModelLibrary
from mixpeek_dagster.stores import Stores


def stored_models(stores: Stores) -> list[ListedModel]:
    """Models that steps can load by their ids without the hub, by id."""
    settings = stores.settings
    return ModelLibrary(settings.models_path, settings.models_folder, stores.models).models()
