"""The sound of audio and video files, as models listen to it; and where it may be cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mixpeek_dagster.errors import InvalidRequest, PluginLoadError

Samples = npt.NDArray[np.float32]

RATE = 16_000
"""Samples per second of everything here."""
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,loas,m4a,matroska,webm,mka,mov,mp4,mp3,mpeg,mpegts,ogg,opus,"
    "tta,w64,wav,wv"
)
"""Demuxers that may read a file. Playlists are not among them: they would make a file open others."""
_FRAME = RATE // 50
_SILENT = -60.0
"""Level in dB of full scale below which nobody hears anything."""
_FAINT = 45.0
"""So many dB below what is loud in a file, it is no speech of that file."""
_SMOOTH = 15
"""Frames, 0.3 s, over which the quietest place is looked for: a pause, not the gap inside a word."""


def read_audio(path: str, most_seconds: float) -> Samples:
    """The first audio track of a file, mixed to one channel, at 16 kHz.

    Args:
        path: an audio or video file.
        most_seconds: longest that is read.

    Raises:
        InvalidRequest: it is no audio file, has no audio, is damaged, or is too long.
        PluginLoadError: PyAV is not installed.
    """
    av = _pyav()
    try:
        with av.open(path, options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"}) as container:
            if not container.streams.audio:
                raise InvalidRequest("the file", why="it has no audio track")
            parts = _decode(av, container, most_seconds)
    except av.FFmpegError as error:
        raise InvalidRequest("the file", why=f"it cannot be read as audio: {error.strerror}") from None
    samples = np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
    if not samples.size:
        raise InvalidRequest("the file", why="its audio track is empty")
    return samples


def _pyav() -> Any:
    try:
        import av
    except ImportError:
        raise PluginLoadError(
            "audio", why="PyAV is not installed", fix="pip install 'mixpeek-dagster[speech]'"
        ) from None
    return av


def _decode(av: Any, container: Any, most_seconds: float) -> list[Samples]:
    stream = container.streams.audio[0]
    stream.thread_type = "AUTO"
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    parts: list[Samples] = []
    count = 0
    for frame in _then_none(container.decode(stream)):
        for out in resampler.resample(frame):
            parts.append(out.to_ndarray()[0])
            count += parts[-1].size
        if count > most_seconds * RATE:
            fix = "Cut the file, or raise max_seconds"
            raise InvalidRequest("the file", why=f"it is longer than {most_seconds:g} s", fix=fix)
    return parts


def _then_none(frames: Any) -> Any:
    """The frames, and None, which makes a resampler give what it holds back."""
    yield from frames
    yield None


@dataclass(frozen=True)
class Span:
    """A stretch of samples, from `start` up to `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


def split_at_pauses(samples: Samples, longest: float = 28.0, search: float = 10.0) -> list[Span]:
    """Stretches that are not silent, cut where it is quietest.

    Args:
        samples: shape (n,), at 16 kHz.
        longest: seconds of a stretch at most.
        search: a stretch that must be cut is cut within its last so many seconds.

    Returns:
        Spans in order; none where there is only silence.
    """
    levels = _levels(samples)
    if not levels.size:
        return []
    heard = levels > max(_SILENT, float(np.percentile(levels, 95)) - _FAINT)
    loud = np.flatnonzero(heard)
    spans: list[Span] = []
    while loud.size:
        first = int(loud[0])
        end = _end_of(levels, loud, first, int(longest * RATE / _FRAME), int(search * RATE / _FRAME))
        last = int(loud[loud < end][-1])
        spans.append(Span(max(first - 10, 0) * _FRAME, min((min(last + 11, end)) * _FRAME, samples.size)))
        loud = loud[loud >= end]
    return spans


def _end_of(levels: npt.NDArray[np.float64], loud: npt.NDArray[np.int64], first: int, longest: int, search: int) -> int:
    """The frame before which a stretch that begins at `first` ends."""
    if int(loud[-1]) < first + longest:
        return int(loud[-1]) + 1
    start = first + longest - search
    smooth = np.convolve(levels[start : first + longest], np.ones(_SMOOTH) / _SMOOTH, mode="same")
    edge = _SMOOTH // 2
    return start + edge + int(np.argmin(smooth[edge : len(smooth) - edge]))


def _levels(samples: Samples) -> npt.NDArray[np.float64]:
    """Loudness of each frame of 20 ms, in dB of full scale."""
    frames = samples[: samples.size // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    return np.asarray(10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-12)))
