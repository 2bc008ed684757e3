"""Speech to text: clips of any length, in windows that go through the model together."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.inference.devices import Device, compute_each, no_gradients
from mixpeek_dagster.inference.packing import Rows, in_halves
from mixpeek_dagster.inference.speech.decoding import RATE, Samples, split_at_pauses

_CPU_WINDOWS = 8
_GPU_WINDOWS = 32
_NO_SPEECH = 0.6
"""A window in which the model itself hears no speech with this probability holds none."""
_REPETITIVE = 2.4
"""A text that is compressed to less than 1/2.4 goes round in circles."""
_TIME = 0.02
"""Seconds from one of the model's times to the next."""
_LOOP = 6
"""Words that may not follow each other twice when such a window is tried again."""


@dataclass(frozen=True)
class Segment:
    """What is said from `start` to `end`, in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Transcript:
    """What is said in a clip.

    Args:
        text: all of it; empty if nobody speaks.
        segments: it, piece by piece.
        windows: stretches of sound that the model listened to.
        silent: those of them in which it heard no speech.
        unfit: those of them that memory did not do for, even alone: what is said in them is missing.
    """

    text: str
    segments: tuple[Segment, ...]
    windows: int
    silent: int
    unfit: int = 0


@dataclass(frozen=True)
class Window:
    """A stretch of a clip that the model listens to: at most 28 seconds of samples, from `start` seconds on."""

    start: float
    samples: Samples


Heard = list[Segment] | None
"""What is said in a window; None if nobody speaks."""


class Transcriber:
    """Transcribes with a whisper model.

    A clip is cut where it is quietest into windows of at most 28 seconds. Those that the model hears no speech in give
    no text, since what it would say about them is made up.

    Args:
        model: of transformers, on the device.
        processor: its processor.
        device: where the model is.
        language: of the speech, such as `en`; None finds out, window by window.
        task: `translate` gives English, whatever the language.
        timestamps: whether segments are as long as the model says; else each is a window.

    Raises:
        InvalidRequest: the model does not know the language, or knows only English.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        device: Device,
        *,
        language: str | None = None,
        task: Literal["transcribe", "translate"] = "transcribe",
        timestamps: bool = False,
    ) -> None:
        self._model = model
        self._processor = processor
        self.device = device
        self._timestamps = timestamps
        self._options = _language_options(model.generation_config, language, task)
        self.group = _GPU_WINDOWS if device.is_cuda else _CPU_WINDOWS
        """Most windows that go through the model together."""

    def transcribe(self, clips: Sequence[Samples]) -> list[Transcript]:
        """What is said in clips of mono samples at 16 kHz."""
        split = [windows_of(samples) for samples in clips]
        windows = [window for each in split for window in each]
        heard: dict[int, Heard] = {}

        def compute(rows: Rows) -> None:
            for part, found in in_halves(lambda each: self.hear([windows[row] for row in each]), rows, self.device):
                if found is not None:
                    heard.update(zip(part.tolist(), found, strict=True))

        for _ in compute_each(compute, self._groups(windows), self.device):
            pass
        ends = np.cumsum([len(each) for each in split]).tolist()
        spans = [range(end - len(each), end) for end, each in zip(ends, split, strict=True)]
        return [transcript_of([heard[row] for row in span if row in heard], len(span)) for span in spans]

    def _groups(self, windows: Sequence[Window]) -> list[Rows]:
        """Windows of like length, longest first: of a group, the one with the most words is waited for."""
        order = np.argsort([-window.samples.size for window in windows], kind="stable").astype(np.int64)
        rows = min(self.group, max(math.ceil(len(order) / _lanes(self.device)), 1))
        return [order[start : start + rows] for start in range(0, len(order), rows)]

    def hear(self, windows: Sequence[Window]) -> list[Heard]:
        """What is said in windows that go through the model together, in the thread that calls.

        Raises:
            RuntimeError: memory does not do, see `devices.is_out_of_memory`.
        """
        import torch

        features = self._processor.feature_extractor(
            [window.samples for window in windows], sampling_rate=RATE, return_tensors="pt"
        ).input_features
        with no_gradients():
            encoded = self._model.get_encoder()(features.to(self.device.name, self._model.dtype))
            spoken = self._no_speech(encoded) < _NO_SPEECH
            rows = np.flatnonzero(spoken)
            found: list[Heard] = [None] * len(windows)
            if rows.size:
                encoded.last_hidden_state = encoded.last_hidden_state[torch.from_numpy(rows).to(self.device.name)]
                for row, tokens in zip(rows.tolist(), self._generate(encoded), strict=True):
                    found[row] = self._segments(windows[row], tokens)
        return found

    def _no_speech(self, encoded: Any) -> npt.NDArray[np.float32]:
        """How probable the model finds it that nobody speaks in each window."""
        import torch

        config = self._model.generation_config
        shape = (encoded.last_hidden_state.shape[0], 1)
        start = torch.full(shape, config.decoder_start_token_id, device=self.device.name)
        logits = self._model(encoder_outputs=encoded, decoder_input_ids=start).logits[:, 0].float()
        found: npt.NDArray[np.float32] = logits.softmax(-1)[:, config.no_timestamps_token_id - 1].cpu().numpy()
        return found

    def _generate(self, encoded: Any) -> list[list[int]]:
        """Tokens of each window; one that goes round in circles is tried again, held back from it."""
        import torch

        options = {"return_timestamps": self._timestamps, **self._options}
        tokens: list[list[int]] = self._model.generate(encoder_outputs=encoded, **options).tolist()
        circling = [row for row, each in enumerate(tokens) if _is_repetitive(self._text(each))]
        if circling:
            places = torch.tensor(circling, device=self.device.name)
            again = type(encoded)(last_hidden_state=encoded.last_hidden_state[places])
            retried = self._model.generate(encoder_outputs=again, no_repeat_ngram_size=_LOOP, **options).tolist()
            for row, each in zip(circling, retried, strict=True):
                tokens[row] = each
        return tokens

    def _text(self, tokens: Sequence[int]) -> str:
        found: str = self._processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return found.strip()

    def _segments(self, window: Window, tokens: Sequence[int]) -> list[Segment]:
        """What stands between times; what follows the last one goes up to the window's end."""
        first_time = self._model.generation_config.no_timestamps_token_id + 1
        length = window.samples.size / RATE
        found: list[Segment] = []
        said: list[int] = []
        start = 0.0

        def add(end: float) -> None:
            if text := self._text(said):
                begins, ends = (round(window.start + min(time, length), 2) for time in (start, end))
                found.append(Segment(begins, ends, text))
            said.clear()

        for token in tokens:
            if token < first_time:
                said.append(token)
            else:
                time = (token - first_time) * _TIME
                add(time)
                start = time
        add(length)
        return found


def _lanes(device: Device) -> int:
    import torch

    return 1 if device.is_cuda else torch.get_num_threads()


def _is_repetitive(text: str) -> bool:
    raw = text.encode()
    return len(raw) > _REPETITIVE * len(zlib.compress(raw))


def windows_of(samples: Samples) -> list[Window]:
    """The windows of a clip of mono samples at 16 kHz; none where there is only silence."""
    return [Window(span.start / RATE, samples[span.start : span.end]) for span in split_at_pauses(samples)]


def transcript_of(heard: Sequence[Heard], windows: int) -> Transcript:
    """What is said in a clip, from what is said in its windows.

    Args:
        heard: of each window, in order; of those that memory did not do for, nothing.
        windows: how many the clip has.
    """
    segments = tuple(segment for found in heard if found for segment in found)
    text = " ".join(segment.text for segment in segments)
    return Transcript(text, segments, windows, sum(found is None for found in heard), windows - len(heard))


def _language_options(generation: Any, language: str | None, task: str) -> dict[str, Any]:
    """What `generate` is told of language and task."""
    if not getattr(generation, "is_multilingual", False):
        if task != "transcribe" or language not in (None, "en", "english"):
            raise InvalidRequest(f"language {language!r}, task {task!r}", why="this model only transcribes English")
        return {}
    if language is not None:
        from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

        known = {token.strip("<|>") for token in generation.lang_to_id}
        if TO_LANGUAGE_CODE.get(language.lower(), language.lower()) not in known:
            fix = f"Use one of {', '.join(sorted(known))}"
            raise InvalidRequest(f"language {language!r}", why="this model does not know it", fix=fix)
        language = language.lower()
    return {"language": language, "task": task}
