"""The built-in services against plain use of the same models."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.photographs import write_photographs
from bench.processes import Result, in_turn, run_variant
from bench.report import Figure
from bench.sizes import Run
from bench.texts import write_texts
from mixpeek_dagster.stores import open_stores
from tests.speech import synthesise

VARIANTS = Path(__file__).with_name("engine_variants")
PEERS = VARIANTS / "peers"
_WORDS_PER_SECOND = 2.4


def texts_of(run: Run, count: int, *, whole: bool = False) -> Path:
    """A folder with so many texts: paragraphs, or whole docstrings, of which many are longer than the model takes."""
    folder = run.home / f"{'docstrings' if whole else 'texts'}-{count}"
    if not folder.is_dir():
        write_texts(folder, count, paragraphs=not whole)
    return folder


def text_embedding(run: Run) -> list[Figure]:
    """Texts: our service, `SentenceTransformer.encode`, and the bound of the machine; long texts are only printed."""
    long = _text_embedding(replace(run, rounds=1), texts_of(run, run.texts, whole=True))
    return [
        *_text_embedding(run, texts_of(run, run.texts)),
        *(replace(figure, name=f"long_{figure.name}", bound=None) for figure in long),
    ]


def _text_embedding(run: Run, folder: Path) -> list[Figure]:
    ours, theirs = run.home / "ours.npy", run.home / "encode.npy"
    pairs = in_turn(
        run.rounds,
        lambda _: run_variant(VARIANTS / "text_service.py", folder, ours),
        lambda _: run_variant(PEERS / "sentence_transformers_encode.py", folder, theirs),
    )
    ratios = [own["texts_per_second"] / other["texts_per_second"] for own, other in pairs]
    shares = [own["texts_per_second"] / own["bound_texts_per_second"] for own, _ in pairs]
    first = pairs[0][0]
    how = f"{run.texts} texts of {first['tokens_per_text']:.0f} tokens, loading of the model left out"
    bound = f"sgemm {first['sgemm_gflops']:.0f} GFLOP/s / (2 x {first['parameters'] / 1e6:.1f} M x tokens)"
    return [
        Figure("text_service_per_second", _median(pairs, 0, "texts_per_second"), note=how),
        Figure("text_encode_per_second", _median(pairs, 1, "texts_per_second"), note="sentence-transformers, batch 32"),
        Figure("text_service_vs_encode", statistics.median(ratios), 1.8, "at least", f"pairs: {_list(ratios)}"),
        Figure("text_min_cosine", _min_cosine(ours, theirs), 0.9999, "at least", "over all texts"),
        Figure("text_bound_per_second", _median(pairs, 0, "bound_texts_per_second"), note=bound),
        Figure("text_service_vs_bound", statistics.median(shares), 0.62, "at least", f"runs: {_list(shares)}"),
    ]


def image_embedding(run: Run) -> list[Figure]:
    """Images in S3: our service against fetching, decoding and embedding them one by one."""
    urls, ours, theirs = run.home / "urls", run.home / "ours-images.npy", run.home / "loop-images.npy"
    with open_stores(run.settings) as stores:
        paths = write_photographs(run.home / "photographs", run.images)
        items = [(f"bench/{path.name}", path) for path in paths]
        urls.write_text("\n".join(stores.objects.url(key) for key, _ in stores.objects.put_many(items)))
        pairs = in_turn(
            run.rounds,
            lambda _: run_variant(VARIANTS / "image_service.py", urls, ours),
            lambda _: run_variant(PEERS / "plain_image_loop.py", urls, theirs),
        )
    ratios = [own["images_per_second"] / other["images_per_second"] for own, other in pairs]
    how = f"{run.images} JPEGs from S3, fetch and decode included, loading of the model left out"
    return [
        Figure("image_service_per_second", _median(pairs, 0, "images_per_second"), note=how),
        Figure("image_loop_per_second", _median(pairs, 1, "images_per_second"), note="one by one"),
        Figure("image_service_vs_loop", statistics.median(ratios), 1.5, "at least", f"pairs: {_list(ratios)}"),
        Figure("image_min_cosine", _min_cosine(ours, theirs), 0.999, "at least", "over all images"),
    ]


def transcription(run: Run) -> list[Figure]:
    """Speech: our service against transformers, file by file."""
    folder = run.home / "speech"
    _speak(folder, texts_of(run, run.texts), run.speech_seconds)
    pairs = in_turn(
        run.rounds,
        lambda _: run_variant(VARIANTS / "transcription_service.py", folder),
        lambda _: run_variant(PEERS / "plain_transcription_loop.py", folder),
    )
    ratios = [other["seconds"] / own["seconds"] for own, other in pairs]
    words = f"{pairs[0][0]['words']} words heard, by the loop {pairs[0][1]['words']}"
    how = f"about {run.speech_seconds} s of speech, loading of the model left out"
    return [
        Figure("speech_service_seconds", _median(pairs, 0, "seconds"), note=how),
        Figure("speech_loop_seconds", _median(pairs, 1, "seconds"), note=words),
        Figure("speech_service_vs_loop", statistics.median(ratios), note=f"pairs: {_list(ratios)}"),
    ]


def large_model(run: Run) -> list[Figure]:
    """A model of the shape of e5-large on a GPU, if there is one."""
    folder = texts_of(run, run.texts)
    models = {"HF_HUB_CACHE": str(run.home / "large-model")}
    result = run_variant(VARIANTS / "large_model.py", folder, 24, environment=models)
    if result["device"] is None:
        print("gpu: there is none")
        return []
    how = f"{result['device']}, bf16 peak {result['peak_tflops']:.0f} TFLOP/s by torch.mm"
    return [
        Figure("gpu_tokens_per_second", result["tokens_per_second"], note="e5-large shape, random weights, bf16"),
        Figure("gpu_share_of_peak", result["share_of_peak"], note=how),
    ]


def _speak(folder: Path, texts: Path, seconds: int) -> None:
    """Recordings of varied length, about so many seconds together."""
    folder.mkdir()
    left = int(seconds * _WORDS_PER_SECOND)
    for path in sorted(texts.glob("*.txt")):
        words = path.read_text(encoding="utf-8").split()[: min(left, 70)]
        if not words:
            return
        synthesise(" ".join(words), folder / f"{path.stem}.wav")
        left -= len(words)


def _median(pairs: list[tuple[Result, ...]], which: int, key: str) -> float:
    return statistics.median(float(pair[which][key]) for pair in pairs)


def _min_cosine(left: Path, right: Path) -> float:
    one, other = np.load(left).astype(np.float64), np.load(right).astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).min())


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
