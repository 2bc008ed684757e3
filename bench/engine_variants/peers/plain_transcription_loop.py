"""Speech through transformers, file by file: `python plain_transcription_loop.py FOLDER`.

Prints the seconds without the loading of the model, and the words it heard.
"""

from __future__ import annotations

import json
import os
import sys
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor

_MODEL = "openai/whisper-tiny.en"
_WINDOW = 30 * 16_000


def main(folder: str) -> None:
    """Measure."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    paths = sorted(Path(folder).glob("*.wav"))
    processor = AutoProcessor.from_pretrained(_MODEL)
    model = AutoModelForSpeechSeq2Seq.from_pretrained(_MODEL, dtype=torch.float32).eval()
    _transcribe(paths[0], processor, model)
    started = time.perf_counter()
    texts = [_transcribe(path, processor, model) for path in paths]
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "words": sum(len(text.split()) for text in texts)}))


def _transcribe(path: Path, processor: Any, model: Any) -> str:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32768
    heard = []
    for at in range(0, len(samples), _WINDOW):
        features = processor(samples[at : at + _WINDOW], sampling_rate=16_000, return_tensors="pt").input_features
        with torch.inference_mode():
            heard.append(processor.batch_decode(model.generate(features), skip_special_tokens=True)[0])
    return " ".join(heard)


if __name__ == "__main__":
    main(*sys.argv[1:])
