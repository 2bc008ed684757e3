"""Images in S3 through the built-in embedding service: `python image_service.py URLS VECTORS`.

URLS is a file of `s3://` URLs, one a line. Prints images a second without the loading of the model; writes the vectors
as a float32 array (images, 1280).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from bench.engine_variants.measuring import FRAME_ROWS, IMAGE_MODEL, finish, use_all_cores
from mixpeek_dagster.cli.session import open_session
from mixpeek_dagster.inference.registry import get_batch_service


def main(urls_file: str, target: str) -> None:
    """Measure."""
    use_all_cores()
    urls = Path(urls_file).read_text(encoding="utf-8").split()
    with open_session():
        service = get_batch_service(IMAGE_MODEL)(config={"image_column": "data", "output_column_name": "embedding"})
        service(pd.DataFrame({"data": urls[:2]}))
        frames = [pd.DataFrame({"data": urls[at : at + FRAME_ROWS]}) for at in range(0, len(urls), FRAME_ROWS)]
        started = time.perf_counter()
        made = [service(frame) for frame in frames]
        seconds = time.perf_counter() - started
    np.save(target, np.stack([np.asarray(row, dtype=np.float32) for frame in made for row in frame["embedding"]]))
    finish(seconds=seconds, images_per_second=len(urls) / seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
