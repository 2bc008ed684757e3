"""The BentoML service of built-in models: `bentoml serve serving.model_service:ModelService`.

MIXPEEK_SERVE_MODEL names the model, such as sentence-transformers/all-MiniLM-L6-v2, or several, separated by commas.
"""

from __future__ import annotations

import os

from mixpeek_dagster.settings import Settings
from serving.endpoints.limits import Limits
from serving.endpoints.model_endpoint import model_endpoints
from serving.service import build_service, set_up_process
from serving.variables import MODEL

set_up_process()
_MODELS = [entry.strip() for entry in os.environ.get(MODEL, "").split(",") if entry.strip()]
ModelService = build_service(model_endpoints(_MODELS, Limits.of(Settings.load())))
