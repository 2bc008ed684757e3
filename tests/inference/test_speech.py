"""Transcription: exact on synthesised speech, silent on silence, in windows cut at pauses."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.inference.speech.decoding import RATE, read_audio, split_at_pauses
from mixpeek_dagster.inference.speech.models import WhisperLargeV3Turbo, WhisperTinyEn
from mixpeek_dagster.inference.speech.service import TranscriptionConfig
from tests.speech import synthesise

SENTENCE = "The pipeline completed, but zero documents were written to the database."
LONG = (
    "The river was quiet in the early morning, and the boats had not yet left the harbour. "
    "She opened the window and looked over the roofs of the old town. "
)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "sentence.wav"
    synthesise(SENTENCE, path)
    return path


def write(path: Path, samples: np.ndarray, rate: int = RATE, channels: int = 1) -> str:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return str(path)


def encode(path: Path, samples: np.ndarray, codec: str) -> str:
    """Samples at 16 kHz in a compressed file."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=RATE, layout="mono")
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE)
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="flt", layout="mono")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        fifo = av.AudioFifo()
        for out in resampler.resample(frame):
            fifo.write(out)
        while part := fifo.read(stream.codec_context.frame_size or 1024, partial=True):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return str(path)


def test_a_sentence_is_written_down_exactly(speech: Path) -> None:
    frame = WhisperTinyEn({"output_column": "text"})(pd.DataFrame({"data": [str(speech)]}))
    assert frame["text"].tolist() == [SENTENCE]


@pytest.mark.slow
def test_long_speech_is_cut_at_pauses_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    synthesise(f"{LONG} {SENTENCE} " * 3, path)
    samples = read_audio(str(path), 600)
    spans = split_at_pauses(samples)
    assert len(spans) >= 2
    assert all(len(span) <= 28 * RATE for span in spans)
    service = WhisperTinyEn(TranscriptionConfig(segments_column="segments"))
    (text,), (segments,) = (
        service(pd.DataFrame({"data": [str(path)]}))[name] for name in ("transcription", "segments")
    )
    assert text.count("pipeline completed") == 3
    assert text.count("opened the window") == 3
    starts = [segment["start"] for segment in segments]
    assert starts == sorted(starts)
    assert 0 < segments[-1]["end"] <= samples.size / RATE + 1
    assert " ".join(segment["text"] for segment in segments) == text


def test_silence_and_noise_fail_and_are_never_put_into_words(speech: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, RATE * 6)
    hum = 0.1 * np.sin(2 * np.pi * 120 * np.arange(RATE * 6) / RATE)
    sounds = {"silence": np.zeros(RATE * 6), "noise": noise, "hum": hum}
    paths = [write(tmp_path / f"{name}.wav", samples) for name, samples in sounds.items()]
    frame = pd.DataFrame({"data": [*paths, str(speech)]})
    service = WhisperTinyEn()
    assert service(frame)["transcription"][3] == SENTENCE
    assert sorted(service.row_errors) == [0, 1, 2]
    assert "there is no speech in it" in str(service.row_errors[0])
    assert service.counters["windows_without_speech"] == 2
    kept = WhisperTinyEn({"no_speech": "empty"})
    assert kept(frame[:2])["transcription"].tolist() == ["", ""]
    assert not kept.row_errors


@pytest.mark.parametrize(("ending", "codec"), [("mp3", "mp3"), ("m4a", "aac"), ("flac", "flac"), ("ogg", "libopus")])
def test_every_common_format_sounds_the_same(speech: Path, tmp_path: Path, ending: str, codec: str) -> None:
    original = read_audio(str(speech), 60)
    found = read_audio(encode(tmp_path / f"speech.{ending}", original, codec), 60)
    assert abs(found.size - original.size) < RATE / 5
    shift = int(np.correlate(found[: RATE * 2], original[RATE // 2 : RATE], "valid").argmax()) - RATE // 2
    most = min(original.size, found.size - max(shift, 0)) - 2000
    assert np.corrcoef(found[max(shift, 0) :][:most], original[max(-shift, 0) :][:most])[0, 1] > 0.98


def test_channels_are_mixed_and_rates_changed(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    path = write(tmp_path / "stereo.wav", np.stack([tone, tone], axis=1), 44_100, channels=2)
    found = read_audio(path, 60)
    assert found.dtype == np.float32
    assert found.size == pytest.approx(RATE, abs=RATE / 50)
    assert np.abs(np.fft.rfft(found)).argmax() * RATE / found.size == pytest.approx(440, abs=2)


def test_a_file_that_is_no_audio_fails_its_row_alone(speech: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "picture.png")
    (tmp_path / "text.wav").write_bytes(b"not audio at all" * 10)
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{speech}\n#EXT-X-ENDLIST\n")
    write(tmp_path / "empty.wav", np.zeros(0))
    names = ["picture.png", "text.wav", "list.m3u8", "empty.wav", "gone.wav"]
    sources = [*(str(tmp_path / name) for name in names), None, str(speech)]
    service = WhisperTinyEn()
    texts = service(pd.DataFrame({"data": pd.Series(sources, dtype=object)}))["transcription"]
    errors = {place: str(error) for place, error in service.row_errors.items()}
    assert texts[6] == SENTENCE
    assert sorted(errors) == [0, 1, 2, 3, 4, 5]
    assert all("cannot be read as audio" in errors[place] for place in (0, 1, 2))
    assert "empty" in errors[3]
    assert "gone.wav" in errors[4]
    assert "missing" in errors[5]


def test_a_file_that_is_too_long_says_what_to_do(speech: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"longer than 1 s.*max_seconds"):
        read_audio(str(speech), 1)


@settings(max_examples=30, deadline=None)
@given(parts=st.lists(st.tuples(st.floats(0.05, 40), st.booleans()), min_size=1, max_size=6))
def test_windows_hold_all_sound_and_are_short(parts: list[tuple[float, bool]]) -> None:
    random = np.random.default_rng(len(parts))
    pieces = [random.normal(0, 0.2 if loud else 0, int(seconds * RATE)) for seconds, loud in parts]
    samples = np.concatenate(pieces).astype(np.float32)
    spans = split_at_pauses(samples)
    covered = np.zeros(samples.size, dtype=bool)
    for span in spans:
        assert 0 < len(span) <= 29 * RATE
        covered[span.start : span.end] = True
    # A last piece of less than one frame of 20 ms is not looked at.
    whole = samples.size // (RATE // 50) * (RATE // 50)
    heard = np.asarray(np.abs(samples[:whole].reshape(-1, RATE // 50)).mean(axis=1) > 0.05)
    assert np.asarray(covered[:whole].reshape(-1, RATE // 50).all(axis=1))[heard].all()


def test_an_english_model_is_not_asked_for_other_languages() -> None:
    with pytest.raises(InvalidRequest, match="only transcribes English"):
        WhisperTinyEn({"language": "de"}).transcriber  # noqa: B018
    assert WhisperTinyEn({"language": "en"}).transcriber


def test_the_large_models_loading_and_languages(speech: Path) -> None:
    service = WhisperLargeV3Turbo({"language": "German", "no_speech": "empty"})
    frame = service(pd.DataFrame({"data": [str(speech)]}))
    assert isinstance(frame["transcription"][0], str)
    assert service.counters["windows_transcribed"] == 1
    with pytest.raises(InvalidRequest, match=r"'klingon'.*de, en"):
        WhisperLargeV3Turbo({"language": "klingon"}).transcriber  # noqa: B018


@pytest.mark.parametrize("name", ["output_column", "output_column_name"])
def test_the_output_column_has_two_names(name: str) -> None:
    assert WhisperTinyEn({name: "words"}).config.output_column == "words"
