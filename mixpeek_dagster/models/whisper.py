"""OpenAI's whisper tiny.en weights, kept in CTranslate2's file format, as a transformers model folder."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mixpeek_dagster.errors import NotFound

_FORMAT = 6
_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_TIMESTAMPS = 1501
"""Times from 0 to 30 seconds in steps of 0.02: the tokens that the package's tokenizer leaves out."""
_RENAMED = (
    (r"^(?=encoder|decoder)", "model."),
    (r"layer_(?=\d)", "layers."),
    (r"decoder\.embeddings\.", "decoder.embed_tokens."),
    (r"position_encodings\.encodings", "embed_positions.weight"),
    (r"self_attention\.layer_norm", "self_attn_layer_norm"),
    (r"self_attention\.linear_1", "self_attn.out_proj"),
    (r"(?<!_)attention\.layer_norm", "encoder_attn_layer_norm"),
    (r"(?<!_)attention\.linear_0", "encoder_attn.q_proj"),
    (r"(?<!_)attention\.linear_2", "encoder_attn.out_proj"),
    (r"ffn\.layer_norm", "final_layer_norm"),
    (r"ffn\.linear_0", "fc1"),
    (r"ffn\.linear_1", "fc2"),
    (r"gamma$", "weight"),
    (r"beta$", "bias"),
)
_FUSED = (
    (re.compile(r"self_attention\.linear_0"), ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
    (re.compile(r"(?<!_)attention\.linear_1"), ("encoder_attn.k_proj", "encoder_attn.v_proj")),
)


def convert_whisper(package: Path, target: Path) -> None:
    """Write config, weights, tokenizer and feature extractor of whisper tiny.en.

    The weights are loaded strictly, so that a tensor that is missing, left over or of another shape fails here.

    Raises:
        NotFound: the package holds no such weights, or in another format.
    """
    import torch
    import transformers

    library: Any = transformers
    folder = package / "model"
    tensors = read_ctranslate2(folder / "model.bin")
    model = library.WhisperForConditionalGeneration(_config(tensors)).to(torch.float16)
    weights = {name: torch.from_numpy(value.copy()) for name, value in _renamed(tensors).items()}
    weights["proj_out.weight"] = weights["model.decoder.embed_tokens.weight"]
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise NotFound("whisper weights", why=f"{folder / 'model.bin'} does not fit transformers: {error}") from None
    model.generation_config = _generation_config(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    model.save_pretrained(target)
    _tokenizer(folder / "tokenizer.json").save_pretrained(target)
    library.WhisperFeatureExtractor(feature_size=80).save_pretrained(target)


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a CTranslate2 model file by name.

    Raises:
        NotFound: there is no such file, or it is of another version of the format.
    """
    if not path.is_file():
        raise NotFound("whisper weights", why=f"there is no {path}")
    with path.open("rb") as file:
        if (version := _number(file, "I")) != _FORMAT:
            raise NotFound("whisper weights", why=f"{path} is of format {version}, not {_FORMAT}")
        _text(file)
        _number(file, "I")
        return dict(_tensor(file) for _ in range(_number(file, "I")))


def _tensor(file: BinaryIO) -> tuple[str, np.ndarray]:
    name = _text(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    kind = _DTYPES[_number(file, "B")]
    return name, np.frombuffer(file.read(_number(file, "I")), dtype=kind).reshape(shape)


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _number(file: BinaryIO, kind: str) -> int:
    found: int = struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))[0]
    return found


def _renamed(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights under the names of transformers; fused projections are taken apart, and keys have no bias."""
    found: dict[str, np.ndarray] = {}
    for name, value in tensors.items():
        if value.dtype != np.float16:
            continue
        dotted = name.replace("/", ".")
        fused = next(((pattern, parts) for pattern, parts in _FUSED if pattern.search(dotted)), None)
        if fused is None:
            found[_rename(dotted)] = value
            continue
        pattern, parts = fused
        for part, piece in zip(parts, np.split(value, len(parts)), strict=True):
            if not (part.endswith("k_proj") and dotted.endswith("bias")):
                found[_rename(pattern.sub(part, dotted))] = piece
    return found


def _rename(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _config(tensors: dict[str, np.ndarray]) -> Any:
    from transformers import WhisperConfig

    vocabulary, width = tensors["decoder/embeddings/weight"].shape
    layers = len({name.split("/")[1] for name in tensors if name.startswith("encoder/layer_") and name[14].isdigit()})
    heads = int(tensors["encoder/num_heads"])
    return WhisperConfig(
        vocab_size=vocabulary,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        decoder_start_token_id=50257,
        bos_token_id=50256,
        eos_token_id=50256,
        pad_token_id=50256,
    )


def _generation_config(packaged: dict[str, Any]) -> Any:
    import transformers

    library: Any = transformers
    return library.GenerationConfig(
        alignment_heads=packaged["alignment_heads"],
        suppress_tokens=packaged["suppress_ids"],
        begin_suppress_tokens=packaged["suppress_ids_begin"],
        decoder_start_token_id=50257,
        bos_token_id=50256,
        eos_token_id=50256,
        pad_token_id=50256,
        no_timestamps_token_id=50362,
        prev_sot_token_id=50360,
        is_multilingual=False,
        return_timestamps=False,
        max_initial_timestamp_index=50,
        max_length=448,
    )


def _tokenizer(path: Path) -> Any:
    import transformers
    from tokenizers import AddedToken

    library: Any = transformers
    end = "<|endoftext|>"
    tokenizer = library.WhisperTokenizerFast(
        tokenizer_file=str(path), bos_token=end, eos_token=end, unk_token=end, pad_token=end
    )
    times = [AddedToken(f"<|{step * 0.02:.2f}|>", normalized=False) for step in range(_TIMESTAMPS)]
    tokenizer.add_tokens(times)
    return tokenizer
