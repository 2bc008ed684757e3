"""Speech through the built-in transcription service: `python transcription_service.py FOLDER`.

Prints the seconds without the loading of the model, and the words it heard.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd

from bench.engine_variants.measuring import finish, use_all_cores
from mixpeek_dagster.inference.registry import get_batch_service

_MODEL = "openai/whisper-tiny.en"


def main(folder: str) -> None:
    """Measure."""
    use_all_cores()
    paths = [str(path) for path in sorted(Path(folder).glob("*.wav"))]
    service = get_batch_service(_MODEL)(config={"audio_column": "data", "output_column_name": "transcription"})
    service(pd.DataFrame({"data": paths[:1]}))
    started = time.perf_counter()
    made = service(pd.DataFrame({"data": paths}))
    seconds = time.perf_counter() - started
    finish(seconds=seconds, words=sum(len(str(text).split()) for text in made["transcription"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
