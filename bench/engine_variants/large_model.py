"""A model of the shape of e5-large through the text encoder: `python large_model.py FOLDER LAYERS`.

The weights are random, in bfloat16, and the tokenizer is learned from the texts of the folder: speed depends on
neither. Prints tokens a second and their share of the device's bfloat16 peak, or `{"device": null}` where there is no
GPU. LAYERS is 24 in e5-large; with `cpu:1` a layer runs where there is no GPU, which only shows that this works.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from bench.engine_variants.matrix_multiply import bf16_flops
from bench.engine_variants.measuring import FRAME_ROWS, finish, read_texts, use_all_cores
from mixpeek_dagster.models.cache import add_to_cache

_MODEL = "intfloat/multilingual-e5-large-instruct"
_VOCABULARY = 8_000
_LONGEST = 512


def main(folder: str, layers: str) -> None:
    """Measure."""
    import torch

    use_all_cores()
    here, _, count = layers.rpartition(":")
    device = here or ("cuda" if torch.cuda.is_available() else "")
    if not device:
        finish(device=None)
        return
    texts = read_texts(folder)
    add_to_cache(Path(os.environ["HF_HUB_CACHE"]), _MODEL, lambda target: _write(target, texts, int(count)))
    finish(**_measured(texts, device, bf16_flops(device, 8192 if device == "cuda" else 512)))


def _measured(texts: list[str], device: str, peak: float) -> dict[str, Any]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    from mixpeek_dagster.inference.registry import get_batch_service

    service = get_batch_service(_MODEL)(config={"text_column": "data", "output_column_name": "embedding"})
    service(pd.DataFrame({"data": texts[:FRAME_ROWS]}))
    frames = [pd.DataFrame({"data": texts[at : at + FRAME_ROWS]}) for at in range(0, len(texts), FRAME_ROWS)]
    started = time.perf_counter()
    for frame in frames:
        service(frame)
    seconds = time.perf_counter() - started
    encoded = AutoTokenizer.from_pretrained(_MODEL)(texts, truncation=True, max_length=_LONGEST)["input_ids"]
    named = AutoModel.from_pretrained(_MODEL).named_parameters()
    parameters = sum(value.numel() for name, value in named if not name.startswith("embeddings."))
    rate = sum(map(len, encoded)) / seconds
    name = torch.cuda.get_device_name() if device == "cuda" else device
    return {
        "device": name,
        "tokens_per_second": rate,
        "peak_tflops": peak / 1e12,
        "share_of_peak": rate * 2 * parameters / peak,
    }


def _write(target: Path, texts: list[str], layers: int) -> None:
    """A checkpoint as the hub lays it out."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = _tokenizer(texts)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=layers,
        num_attention_heads=16,
        max_position_embeddings=_LONGEST + 2,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = XLMRobertaModel(config)
    torch.nn.Module.to(model, torch.bfloat16)
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _tokenizer(texts: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    learned = Tokenizer(models.Unigram())
    learned.pre_tokenizer, learned.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=_VOCABULARY, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    learned.train_from_iterator(texts, trainer)
    pairs = [(word, learned.token_to_id(word)) for word in ("<s>", "</s>")]
    learned.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=pairs
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=learned,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=_LONGEST,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
