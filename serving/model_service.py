"""The BentoML service of a built-in model: `bentoml serve serving.model_service:ModelService`.

MIXPEEK_SERVE_MODEL names the model, such as sentence-transformers/all-MiniLM-L6-v2.
"""

from __future__ import annotations

import os

from mixpeek_dagster.settings import Settings
from serving.limits import Limits
from serving.model_endpoint import model_endpoints
from serving.service import build_service, set_up_process

set_up_process()
ModelService = build_service(model_endpoints(os.environ.get("MIXPEEK_SERVE_MODEL", ""), Limits.of(Settings.load())))
