"""Which failures may pass by themselves, and when it is worth trying again: read off the exception."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from mixpeek_dagster.errors import MixpeekError

NETWORK_MODULES = ("httpx", "requests", "urllib3", "aiohttp", "httpcore")
_PASSING = frozenset({408, 409, 425, 429})
# Named as in httpx, requests, urllib3, aiohttp and the clients that are built on them.
_NETWORK_FAILURES = frozenset(
    {
        "APIConnectionError",
        "ChunkedEncodingError",
        "ClientConnectionError",
        "ClientPayloadError",
        "ConnectionError",
        "NetworkError",
        "ProtocolError",
        "ProxyError",
        "RemoteProtocolError",
        "Timeout",
        "TimeoutException",
        "TimeoutError",
        "TransientError",
    }
)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception of any client carries; none if there was no answer."""
    response = getattr(error, "response", None)
    pairs = (
        (response, "status_code"),
        (response, "status"),
        (error, "status_code"),
        (error, "status"),
        (error, "code"),
    )
    for owner, name in pairs:
        value = getattr(owner, name, None)
        # An exit has a code, too.
        if (
            isinstance(error, Exception)
            and isinstance(value, int)
            and not isinstance(value, bool)
            and 100 <= value <= 599
        ):
            return int(value)
    return None


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later: no answer, an answer in time, or one that says try again."""
    for cause in _causes(error):
        if isinstance(cause, MixpeekError):
            return cause.retryable
        status = status_of(cause)
        if status is not None:
            return status in _PASSING or status >= 500
        if isinstance(cause, ConnectionError | TimeoutError | socket.gaierror) or _is_network_failure(cause):
            return True
    return False


def retry_after(error: BaseException) -> float | None:
    """Seconds that the answer asks to wait (`Retry-After`, as seconds or as a date); none if it does not."""
    for cause in _causes(error):
        for owner in (getattr(cause, "response", None), cause):
            text = _header(getattr(owner, "headers", None))
            if text:
                return _seconds(text)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, and those that it was raised from."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        # urllib and urllib3 keep it as the reason.
        reason = getattr(cause, "reason", None)
        cause = reason if isinstance(reason, BaseException) else cause.__cause__


def _is_network_failure(error: BaseException) -> bool:
    kinds = type(error).__mro__
    return not isinstance(error, ValueError) and any(
        kind.__name__ in _NETWORK_FAILURES and kind.__module__.split(".")[0] != "builtins" for kind in kinds
    )


def _header(headers: Any) -> str:
    if not hasattr(headers, "items"):
        return ""
    return next((str(value).strip() for name, value in headers.items() if str(name).lower() == "retry-after"), "")


def _seconds(text: str) -> float | None:
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    # A date without a zone is meant as GMT.
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
