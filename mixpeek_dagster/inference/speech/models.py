"""The transcription models that are built in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixpeek_dagster.inference.realtime import RealtimeService
from mixpeek_dagster.inference.service import BatchService, ServedModel
from mixpeek_dagster.inference.speech.realtime import Transcription
from mixpeek_dagster.inference.speech.service import TranscriptionService


class WhisperLargeV3Turbo(TranscriptionService):
    """Transcribe speech of any language with openai/whisper-large-v3-turbo."""

    model = ServedModel("openai/whisper-large-v3-turbo", "transcription", "AutoModelForSpeechSeq2Seq", "AutoProcessor")


class WhisperTinyEn(TranscriptionService):
    """Transcribe English speech with openai/whisper-tiny.en, which a package carries."""

    model = ServedModel("openai/whisper-tiny.en", "transcription", "AutoModelForSpeechSeq2Seq", "AutoProcessor")


BUILT_IN: Mapping[type[BatchService], type[RealtimeService[Any]]] = {
    WhisperLargeV3Turbo: Transcription,
    WhisperTinyEn: Transcription,
}
"""How each is used in batches, and in requests."""
