"""What no server can be faster than: tokenise, forward, pool, normalise, one text at a time.

    python bare_forward.py FOLDER CHARACTERS SECONDS VECTORS

Texts are cut to so many characters. Prints the milliseconds that one takes; writes the vectors as a float32 array.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time

import numpy as np

from bench.engine_variants.measuring import TEXT_MODEL, finish, read_texts, use_all_cores


def main(folder: str, characters: str, seconds: str, target: str) -> None:
    """Measure."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    use_all_cores()
    texts = [text[: int(characters)] for text in read_texts(folder)]
    tokenizer = AutoTokenizer.from_pretrained(TEXT_MODEL)
    model = AutoModel.from_pretrained(TEXT_MODEL).eval()

    def embed(text: str) -> np.ndarray:
        with torch.inference_mode():
            encoded = tokenizer(text, truncation=True, max_length=256, return_tensors="pt")
            tokens = model(**encoded).last_hidden_state[0]
            return torch.nn.functional.normalize(tokens.mean(dim=0), dim=0).numpy()

    np.save(target, np.stack([embed(text) for text in texts]))
    taken = []
    until = time.perf_counter() + float(seconds)
    for text in itertools.cycle(texts):
        started = time.perf_counter()
        embed(text)
        taken.append(time.perf_counter() - started)
        if time.perf_counter() > until:
            break
    milliseconds = [1000 * value for value in taken]
    finish(p50_ms=statistics.median(milliseconds), p99_ms=float(np.percentile(milliseconds, 99)), texts=len(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
