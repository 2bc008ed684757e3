"""What answers at one route: a plugin's realtime code, or a built-in model."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, ClassVar

import psutil
from starlette.responses import Response

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.http.envelope import Failure
from serving.endpoints.limits import Limits
from serving.endpoints.overload import Overloaded

LOAD_SECONDS = 300.0
_COME_BACK = 5
"""Seconds after which to ask again for what still loads, or could not be loaded and may be replaced."""
_log = logging.getLogger(__name__)


class EndpointState(StrEnum):
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


class Endpoint(ABC):
    """Loads once, then answers requests.

    Args:
        name: as the API method of BentoML is called.
        route: where it answers.
        limits: how much it takes on.
        load_seconds: how long it may take to load.
    """

    about: ClassVar[str]
    """What it is: `plugin` or `model`."""

    def __init__(self, name: str, route: str, limits: Limits, load_seconds: float = LOAD_SECONDS) -> None:
        self.name = name
        self.route = route
        self.limits = limits
        self.state = EndpointState.LOADING
        self.problem = ""
        self.cold_start_seconds: float | None = None
        """From the start of the process until it could answer; None until then."""
        self.in_flight = 0
        """Requests that are being answered, those that wait included."""
        self._load_seconds = load_seconds
        self._settled = asyncio.Event()

    @property
    @abstractmethod
    def told(self) -> str:
        """The endpoint, in words: `plugin 'my_extractor_1_0_0'`."""

    @property
    @abstractmethod
    def served(self) -> str:
        """Id of the plugin or model."""

    @property
    @abstractmethod
    def queued(self) -> int:
        """How many wait for their turn."""

    @abstractmethod
    def operation(self) -> dict[str, Any]:
        """Description, request and replies, in OpenAPI's words."""

    @abstractmethod
    async def _load(self) -> None:
        """Get ready; the text of what it raises is shown to users."""

    @abstractmethod
    async def _answer(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> Response:
        """The reply of an endpoint that is ready; it is cancelled when it takes too long or the client has gone."""

    def report(self) -> dict[str, Any]:
        """State, name, problem and load, JSON-ready."""
        about = {"state": self.state.value, self.about: self.served}
        if self.problem:
            about["problem"] = self.problem
        load = {"in_flight": self.in_flight, "queued": self.queued, "cold_start_seconds": self.cold_start_seconds}
        return {**about, **load}

    async def load(self) -> None:
        """Get ready; a failure is kept, not raised."""
        try:
            async with asyncio.timeout(self._load_seconds):
                await self._load()
            self.state = EndpointState.READY
            self.cold_start_seconds = round(time.time() - psutil.Process().create_time(), 3)
        except TimeoutError:
            self._fail(f"{self.code} did not load within {self._load_seconds:g} s")
        except Exception as error:
            self._fail(self._problem(error))
        finally:
            self._settled.set()

    @property
    def code(self) -> str:
        """What is loaded, in words."""
        return self.told

    async def answer(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> Response:
        """The reply, or an envelope that says why there is none."""
        self.in_flight += 1
        try:
            async with asyncio.timeout(self.limits.seconds):
                await self._settled.wait()
                if self.state is EndpointState.FAILED:
                    message = f"{self.told} could not be loaded: {self.problem}"
                    return Failure(503, message, retry_after=_COME_BACK).response()
                return await self._answer(inputs, parameters)
        except TimeoutError:
            return self._too_late().response()
        except Overloaded as error:
            message = f"{self.told}: {self.queued} inputs wait already"
            return Failure(429, message, retry_after=error.retry_after).response()
        finally:
            self.in_flight -= 1

    def _too_late(self) -> Failure:
        if self._settled.is_set():
            return Failure(504, f"{self.told} gave no reply within {self.limits.seconds:g} s")
        return Failure(503, f"{self.told} still loads", retry_after=_COME_BACK)

    def _problem(self, error: Exception) -> str:
        """What is told of why it did not load."""
        if isinstance(error, MixpeekError):
            return error.sentence()
        _log.error("%s cannot be served", self.told, exc_info=error)
        return f"{type(error).__name__}: {error}"

    def _fail(self, problem: str) -> None:
        self.state, self.problem = EndpointState.FAILED, problem
        _log.error("%s cannot be served: %s", self.told, problem)
