"""Calling our servers, or what stands in for one: what they answer, or why not, as our own error."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx

from mixpeek_dagster.errors import MixpeekError, ServingError
from mixpeek_dagster.http.envelope import Failure, read_failure, text_of


@contextmanager
def reaching(what: str, seconds: float, fix: str, kind: type[MixpeekError] = ServingError) -> Iterator[None]:
    """Around a call by httpx that may take so many seconds.

    Raises:
        MixpeekError: of this kind: it was not reached, or did not answer in time.
    """
    try:
        yield
    except httpx.TimeoutException:
        raise kind(what, why=f"no answer within {seconds:g} s", fix=fix) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise kind(what, why=f"it does not answer: {error or type(error).__name__}", fix=fix) from None


def answer_of(reply: httpx.Response, what: str, kind: type[MixpeekError] = ServingError) -> dict[str, Any]:
    """The JSON object that a successful reply holds.

    Raises:
        MixpeekError: the one that the reply's envelope was made of; of this kind if it has none, or is no such reply.
    """
    if reply.is_success:
        answer = json_of(reply)
        if isinstance(answer, dict):
            return answer
        raise kind(what, why=f"HTTP {reply.status_code}: not the reply of one of ours: {reply.text[:200]!r}")
    raise failure_of(reply).error(what, kind)


def failure_of(reply: httpx.Response) -> Failure:
    """What a reply that is no success says, whoever made it."""
    status, body = reply.status_code, reply.content
    return read_failure(status, body) or Failure(status, text_of(status, body))


def json_of(reply: httpx.Response) -> Any:
    """A reply's body, or None if it is no JSON."""
    try:
        return reply.json()
    except ValueError:
        return None


@cache
def certificates() -> ssl.SSLContext:
    """Those that are trusted, read once: it takes longer than a call does."""
    return httpx.create_ssl_context()
