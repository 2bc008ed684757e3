"""The BentoML service of plugins: `bentoml serve serving.plugin_service:PluginService`.

MIXPEEK_SERVE_PLUGINS names the plugin folders, separated like the entries of PATH.
"""

from __future__ import annotations

import os
from pathlib import Path

from mixpeek_dagster.settings import Settings
from serving.endpoints.limits import Limits
from serving.endpoints.plugin_endpoint import plugin_endpoints
from serving.service import build_service, set_up_process
from serving.variables import PLUGINS

set_up_process()
_FOLDERS = [Path(entry) for entry in os.environ.get(PLUGINS, "").split(os.pathsep) if entry]
PluginService = build_service(plugin_endpoints(_FOLDERS, Limits.of(Settings.load())))
