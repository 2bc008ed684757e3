"""What Prometheus is told beside BentoML's own figures."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

    from serving.endpoints.endpoint import Endpoint

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WAITS = (0.001, *_SECONDS)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 4096, 16384, 65536)


@dataclass(frozen=True)
class Metrics:
    """The figures of all endpoints of a process; each is labelled with its route."""

    requests: Counter
    seconds: Histogram
    in_flight: Gauge
    queued: Gauge
    queue_seconds: Histogram
    batch_items: Histogram
    batch_tokens: Histogram
    truncated: Counter
    cold_start: Gauge

    def replied(self, route: str, status: int, seconds: float) -> None:
        """Count a request and its reply."""
        self.requests.labels(route, status).inc()
        self.seconds.labels(route).observe(seconds)

    def look_at(self, endpoints: Iterable[Endpoint]) -> None:
        """Set the gauges to how things stand."""
        for endpoint in endpoints:
            self.in_flight.labels(endpoint.route).set(endpoint.in_flight)
            self.queued.labels(endpoint.route).set(endpoint.queued)
            if endpoint.cold_start_seconds is not None:
                self.cold_start.labels(endpoint.route).set(endpoint.cold_start_seconds)


@functools.cache
def metrics() -> Metrics:
    """The one set of a process.

    Not at import: BentoML says where figures are kept only after the service was imported, and prometheus_client must
    not be imported before.
    """
    from prometheus_client import Counter, Gauge, Histogram

    def gauge(name: str, about: str) -> Gauge:
        return Gauge(f"mixpeek_inference_{name}", about, ["route"], multiprocess_mode="livesum")

    def histogram(name: str, about: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"mixpeek_inference_{name}", about, ["route"], buckets=buckets)

    return Metrics(
        Counter("mixpeek_inference_requests", "Requests, by the status of their reply", ["route", "status"]),
        histogram("request_seconds", "From a request's first byte to its reply's last", _SECONDS),
        gauge("in_flight", "Requests that are being answered, those that wait included"),
        gauge("queued", "Inputs or calls that wait for their turn"),
        histogram("queue_seconds", "How long an input has waited for its turn", _WAITS),
        histogram("batch_items", "Inputs that went through the model together", _ITEMS),
        histogram("batch_tokens", "Tokens that went through the model together, padding included", _TOKENS),
        Counter("mixpeek_inference_truncated_tokens", "Tokens that did not fit and were dropped", ["route"]),
        gauge("cold_start_seconds", "From the start of the process until the endpoint could answer"),
    )


class PackObserver:
    """Tells Prometheus of an endpoint's packs."""

    def __init__(self, route: str) -> None:
        known = metrics()
        self._waits = known.queue_seconds.labels(route)
        self._items = known.batch_items.labels(route)
        self._tokens = known.batch_tokens.labels(route)

    def packed(self, items: int, tokens: int, waits: Sequence[float]) -> None:
        """A pack is about to be computed."""
        self._items.observe(items)
        self._tokens.observe(tokens)
        for wait in waits:
            self._waits.observe(wait)
