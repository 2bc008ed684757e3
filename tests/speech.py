"""Speech for tests and benchmarks: espeak-ng's library and voices, which the package espeakng-loader carries."""

from __future__ import annotations

import ctypes
import threading
import wave
from functools import cache
from pathlib import Path

import espeakng_loader
import numpy as np
from scipy.signal import resample_poly

RATE = 16_000
"""Samples per second of what `synthesise` writes: what speech models listen to."""

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_UTF8 = 1
_BY_CHARACTER = 1
_BUFFER_MS = 200
_OK = 0
# The library has one voice and one callback per process.
_LOCK = threading.Lock()


def synthesise(text: str, path: Path) -> None:
    """Write `text`, spoken in English, as a mono WAV of 16-bit samples at 16 kHz.

    Raises:
        RuntimeError: the library refused to start or to speak.
    """
    samples, rate = _spoken(text)
    resampled = resample_poly(samples.astype(np.float32), RATE, rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.clip(resampled, -32768, 32767).astype("<i2").tobytes())


def _spoken(text: str) -> tuple[np.ndarray, int]:
    """Samples (n,) int16 and their rate in Hz."""
    chunks: list[np.ndarray] = []

    def keep(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
        if samples and count:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _CALLBACK(keep)
    encoded = text.encode() + b"\0"
    with _LOCK:
        library, rate = _library()
        library.espeak_SetSynthCallback(callback)
        failed = library.espeak_Synth(encoded, len(encoded), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        if failed != _OK or library.espeak_Synchronize() != _OK:
            raise RuntimeError(f"espeak-ng did not speak {text!r}: error {failed}")
    if not chunks:
        raise RuntimeError(f"espeak-ng made no sound of {text!r}")
    return np.concatenate(chunks), rate


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    """The started library and its rate in Hz."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Synth.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    library.espeak_SetSynthCallback.argtypes = (_CALLBACK,)
    folder = str(Path(espeakng_loader.get_data_path()).parent).encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, folder, _DONT_EXIT)
    if rate <= 0:
        raise RuntimeError(f"espeak-ng did not start with the voices in {folder.decode()}")
    if library.espeak_SetVoiceByName(b"en-us") != _OK:
        raise RuntimeError("espeak-ng has no voice 'en-us'")
    return library, rate
