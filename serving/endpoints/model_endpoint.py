"""One built-in model: its requests are read, batched and answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.responses import Response

from mixpeek_dagster import ids
from mixpeek_dagster.errors import NotFound
from mixpeek_dagster.http.envelope import JSON, Failure
from mixpeek_dagster.inference.invalid import InvalidField, InvalidInput
from mixpeek_dagster.inference.realtime import Fields
from mixpeek_dagster.inference.registry import get_batch_service, get_realtime_service
from mixpeek_dagster.inference.service import BatchService
from serving.batching.batcher import Batcher, DoesNotFit
from serving.batching.job import Job
from serving.endpoints.endpoint import Endpoint
from serving.endpoints.limits import Limits
from serving.endpoints.metrics import PackObserver, metrics
from serving.endpoints.overload import Overloaded
from serving.endpoints.served import Endpoints
from serving.http.openapi import model_operation
from serving.http.request import invalid_fields, refusal

_LOAD_SECONDS = 1800.0
"""A model may have to be fetched."""
_log = logging.getLogger(__name__)


class ModelEndpoint(Endpoint):
    """A built-in model behind a batcher.

    Args:
        service: its batch service; both give the same for the same input.
        limits: how much it takes on.
    """

    about = "model"

    def __init__(self, service: type[BatchService], limits: Limits) -> None:
        model_id = service.model.model_id
        super().__init__(ids.service_name(model_id), ids.model_route(model_id), limits, _LOAD_SECONDS)
        self._service = get_realtime_service(service)(service, limits)
        self._batcher: Batcher | None = None

    @property
    def told(self) -> str:
        """For messages: `model 'org/name'`."""
        return f"model {self.served!r}"

    @property
    def served(self) -> str:
        return self._service.model.model_id

    @property
    def queued(self) -> int:
        """Inputs that wait, or are prepared."""
        return self._batcher.queued if self._batcher is not None else 0

    def operation(self) -> dict[str, Any]:
        """Description, request and replies, in OpenAPI's words."""
        return model_operation(self._service)

    async def _load(self) -> None:
        """Load the model, and let it compute the example: what is slow the first time has been done then."""
        self._batcher = await asyncio.to_thread(self._start)
        inputs, parameters = self._service.Inputs.model_validate(self._service.example), self._service.Parameters()
        await self._service.answer(inputs, parameters, self._admit)

    def _start(self) -> Batcher:
        import torch

        if self.limits.threads is not None:
            torch.set_num_threads(self.limits.threads)
        self._service.load()
        cores = 1 if self._service.device.is_cuda else torch.get_num_threads()
        return Batcher(
            self._service.compute,
            budget=self._service.budget,
            capacity=self.limits.queue,
            device=self._service.device,
            lanes=cores,
            threads=cores,
            set_threads=torch.set_num_threads,
            observer=PackObserver(self.route),
        )

    async def _answer(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> Response:
        try:
            answer = await self._service.answer(*self._read(inputs, parameters), self._admit)
        except InvalidInput as error:
            return refusal(error.fields).response()
        except DoesNotFit:
            return Failure(413, f"{self.told}: memory does not do for an input, even alone").response()
        except (Overloaded, TimeoutError):
            raise
        except Exception:
            _log.exception("%s failed", self.told)
            return Failure(500, f"{self.told} could not compute this; the server's log tells why").response()
        if answer.dropped:
            metrics().truncated.labels(self.route).inc(answer.dropped)
        return Response(orjson.dumps(answer.reply, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON)

    def _read(self, inputs: dict[str, Any], parameters: dict[str, Any]) -> tuple[Fields, Fields]:
        """Inputs and parameters as the model takes them.

        Raises:
            InvalidInput: names each field that is wrong.
        """
        wrong: list[InvalidField] = []
        read: list[Fields] = []
        for name, fields, given in (
            ("inputs", self._service.Inputs, inputs),
            ("parameters", self._service.Parameters, parameters),
        ):
            try:
                read.append(fields.model_validate(given))
            except ValidationError as error:
                wrong += invalid_fields(error, name)
        if wrong:
            raise InvalidInput(*wrong)
        return read[0], read[1]

    def _admit(self, inputs: int) -> Job:
        assert self._batcher is not None
        if inputs > self.limits.queue:
            raise InvalidInput(InvalidField(("inputs",), f"{inputs:,} at once are more than {self.limits.queue:,}"))
        return self._batcher.admit(inputs, self.limits.seconds)


def model_endpoints(models: Iterable[str], limits: Limits) -> Endpoints:
    """The endpoints of built-in models; none is loaded yet."""
    routes: dict[str, ModelEndpoint] = {}
    unserved: dict[str, str] = {}
    for model in models:
        try:
            endpoint = ModelEndpoint(get_batch_service(model), limits)
        except NotFound as error:
            unserved[model] = str(error)
        else:
            routes[endpoint.route] = endpoint
    return Endpoints(routes, unserved, limits)
