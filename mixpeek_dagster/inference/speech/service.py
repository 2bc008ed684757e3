"""Transcription of a column of audio."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import AliasChoices, Field

from mixpeek_dagster.errors import InvalidRequest, MixpeekError
from mixpeek_dagster.inference.packing import does_not_fit
from mixpeek_dagster.inference.service import BatchService, ServiceConfig, column, file_of
from mixpeek_dagster.inference.speech.decoding import RATE, Samples, read_audio
from mixpeek_dagster.inference.speech.transcriber import Transcriber, Transcript
from mixpeek_dagster.plugins.assets import open_asset
from mixpeek_dagster.threads import read_ahead

_THREADS = 2
_SECONDS_AT_A_TIME = 1800


class TranscriptionConfig(ServiceConfig):
    """Where the audio is and what is made of it."""

    audio_column: str = Field("data", description="Column that holds URLs or paths of audio or video files.")
    output_column: str = Field(
        "transcription",
        validation_alias=AliasChoices("output_column", "output_column_name"),
        description="Column for the text.",
    )
    segments_column: str | None = Field(None, description="Column for pieces with start, end and text; none = no such.")
    language: str | None = Field(None, description="Language of the speech; none = found out.")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="translate = into English.")
    no_speech: Literal["fail", "empty"] = Field("fail", description="What becomes of a file in which nobody speaks.")
    max_seconds: float = Field(7200, gt=0, description="Longest file.")


class TranscriptionService(BatchService):
    """Transcribe the audio that a column names, or the sound of videos.

    Files are fetched and decoded by threads while the model works. One in which nobody speaks fails its row, unless the
    config says `no_speech="empty"`: a step that embeds the text would fail it anyway, with a less clear word.
    """

    Config = TranscriptionConfig
    config: TranscriptionConfig
    batch_rows = 64

    def _process_batch(self, batch: pd.DataFrame) -> pd.DataFrame:
        texts = np.empty(len(batch), dtype=object)
        segments = np.empty(len(batch), dtype=object)
        sources = column(batch, self.config.audio_column, "audio_column")
        for positions, clips in self._groups(sources):
            for position, transcript in zip(positions, self.transcriber.transcribe(clips), strict=True):
                self._count(position, transcript)
                if transcript.unfit:
                    continue
                texts[position] = transcript.text
                segments[position] = [asdict(segment) for segment in transcript.segments]
        made: dict[str, Any] = {self.config.output_column: texts}
        if self.config.segments_column is not None:
            made[self.config.segments_column] = segments
        return batch.assign(**made)

    @functools.cached_property
    def transcriber(self) -> Transcriber:
        """What transcribes, without columns.

        Raises:
            ModelNotFound: the model is not on this machine and cannot be fetched.
            InvalidRequest: it does not know the language.
        """
        loaded, device = self.load()
        return Transcriber(
            loaded.model,
            loaded.tokenizer,
            device,
            language=self.config.language,
            task=self.config.task,
            timestamps=self.config.segments_column is not None,
        )

    def _count(self, position: int, transcript: Transcript) -> None:
        self.counters.update(windows_transcribed=transcript.windows - transcript.silent)
        if transcript.silent:
            self.counters.update(windows_without_speech=transcript.silent)
        if transcript.unfit:
            self.fail_row(position, does_not_fit("the audio", f"{transcript.windows} windows"))
        elif not transcript.text and self.config.no_speech == "fail":
            fix = 'Leave such files out, or set no_speech="empty"'
            self.fail_row(position, InvalidRequest("the audio", why="there is no speech in it", fix=fix))

    def _groups(self, sources: Sequence[object]) -> Iterator[tuple[list[int], list[Samples]]]:
        """Positions and clips, half an hour at a time; a row whose file fails is left out."""
        positions: list[int] = []
        clips: list[Samples] = []
        seconds = 0.0
        for position, future in enumerate(read_ahead(self._read, sources, threads=_THREADS, most=2 * _THREADS)):
            try:
                clips.append(future.result())
            except MixpeekError as error:
                self.fail_row(position, error)
                continue
            positions.append(position)
            seconds += clips[-1].size / RATE
            if seconds > _SECONDS_AT_A_TIME:
                yield positions, clips
                positions, clips, seconds = [], [], 0.0
        if clips:
            yield positions, clips

    def _read(self, source: object) -> Samples:
        with open_asset(file_of(source, self.config.audio_column)) as path:
            return read_audio(path, self.config.max_seconds)
