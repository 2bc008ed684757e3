"""Ray: what an autoscaler may add to a cluster."""

from __future__ import annotations

import logging
from collections.abc import Mapping

_log = logging.getLogger(__name__)


def most_resources() -> Mapping[str, float]:
    """What the cluster that this process is connected to may grow to; empty if it does not grow.

    A Ray that no longer tells counts as one that does not grow: steps then have to fit the nodes that are there.
    """
    try:
        from ray._private.state import state

        found: Mapping[str, float] = state.get_max_resources_from_cluster_config() or {}
    except (ImportError, AttributeError) as error:
        _log.warning("this Ray does not tell what its cluster may grow to, so only its present nodes count: %s", error)
        return {}
    return found
