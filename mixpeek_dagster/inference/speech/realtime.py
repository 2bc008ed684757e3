"""Transcription of speech."""

from __future__ import annotations

import base64
import functools
import math
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from mixpeek_dagster.errors import MixpeekError
from mixpeek_dagster.inference.invalid import InvalidField, InvalidInput
from mixpeek_dagster.inference.realtime import Admit, Fields, FileLimits, InferenceResult, RealtimeService, Threads
from mixpeek_dagster.inference.request_files import local_file
from mixpeek_dagster.inference.speech.decoding import read_audio
from mixpeek_dagster.inference.speech.service import TranscriptionService
from mixpeek_dagster.inference.speech.transcriber import Heard, Transcriber, Window, transcript_of, windows_of

_THREADS = 2
_MOST_SECONDS = 1800.0
_TRANSCRIBERS = 32


def _tone() -> str:
    """A tenth of a second of sound as a WAV file in base64."""
    rate = 8000
    samples = bytes(128 + round(60 * math.sin(2 * math.pi * 440 * step / rate)) for step in range(rate // 10))
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(samples)) + samples
    return base64.b64encode(struct.pack("<4sI", b"RIFF", len(body)) + body).decode()


class SpeechInputs(Fields):
    """A clip of sound."""

    audio: Annotated[str, StringConstraints(min_length=1)] = Field(
        description="An http(s) URL, a data: URL, or base64 of an audio or video file."
    )


class SpeechParameters(Fields):
    language: str | None = Field(None, description="Language of the speech, such as `en`; none = found out.")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="translate = into English.")
    timestamps: bool = Field(False, description="Whether segments are as long as the model says; else up to 28 s.")


class Transcription(RealtimeService[TranscriptionService]):
    """Speech to text."""

    Inputs = SpeechInputs
    Parameters = SpeechParameters
    example = {"audio": _tone()}
    replied = "`text`, empty if nobody speaks, and `segments` of it with `start` and `end` in seconds"

    def __init__(self, service: type[TranscriptionService], limits: FileLimits) -> None:
        super().__init__(service, limits)
        self._readers = Threads(_THREADS, "read")
        self._transcriber = functools.lru_cache(_TRANSCRIBERS)(self._make)

    def load(self) -> None:
        """Blocks until the weights are in memory; sets `budget` and `device`."""
        transcriber = self._transcriber(SpeechParameters())
        self.budget = transcriber.group
        self.device = transcriber.device

    def compute(self, group: Any, payloads: Sequence[Any]) -> Sequence[Heard]:
        """What is said in windows of sound; `group` is the parameters."""
        return self._transcriber(group).hear(payloads)

    async def answer(self, inputs: SpeechInputs, parameters: SpeechParameters, admit: Admit) -> InferenceResult:
        """`text` and `segments` of all windows; raises `InvalidInput` for a language that the model does not know."""
        try:
            self._transcriber(parameters)
        except MixpeekError as error:
            raise InvalidInput(InvalidField.of(("parameters", "language"), error)) from None
        with admit(1) as job:
            windows = await self._readers.run(self._read, inputs.audio)
            heard = await job.compute(windows, [1] * len(windows), parameters)
        transcript = transcript_of(heard, len(windows))
        return InferenceResult(
            {"text": transcript.text, "segments": [asdict(segment) for segment in transcript.segments]}
        )

    def reply_schema(self) -> dict[str, Any]:
        """The reply, in OpenAPI's words."""
        number, text = {"type": "number"}, {"type": "string"}
        segment = {"type": "object", "properties": {"start": number, "end": number, "text": text}}
        return {"type": "object", "properties": {"text": text, "segments": {"type": "array", "items": segment}}}

    def _make(self, parameters: SpeechParameters) -> Transcriber:
        column = "segments" if parameters.timestamps else None
        config = {"language": parameters.language, "task": parameters.task, "segments_column": column}
        service = self.service(config)
        return service.transcriber

    def _read(self, source: str) -> list[Window]:
        try:
            with local_file(source, self.limits.body_bytes, self.limits.seconds) as path:
                return windows_of(read_audio(path, _MOST_SECONDS))
        except MixpeekError as error:
            raise InvalidInput(InvalidField.of(("inputs", "audio"), error)) from None
