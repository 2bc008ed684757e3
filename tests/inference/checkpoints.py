"""Tiny checkpoints that are built like the five models of the guide: same classes, tokenizers and special tokens.

`python -m tests.inference.checkpoints FOLDER` writes them as plain folders, `FOLDER/org/name`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from mixpeek_dagster.models.cache import link_folders
from mixpeek_dagster.models.packaged import install_packaged_models

TEXTS = [
    "the pipeline completed but zero documents were written to the database",
    "query: how do I make coffee? passage: grind the beans for an espresso",
    "def add(a, b): return a + b\n\nclass Counter:\n    total = 0",
    "Instruct: given a web search query, retrieve relevant passages that answer the query\nQuery: rain over the sea",
    "ein hoher Baum, une petite maison, 雨が降る, дождь идёт",
]
"""What the tokenizers are trained on."""
SEED = 7


def fill_cache(folder: Path) -> Path:
    """Put the models of installed packages and the tiny checkpoints into a Hugging Face cache; returns it."""
    install_packaged_models(folder)
    write_checkpoints(folder)
    link_folders(folder)
    return folder


def write_checkpoints(folder: Path) -> list[str]:
    """Write all of them, and give their ids."""
    for name, write in CHECKPOINTS.items():
        torch.manual_seed(SEED)
        write(folder / name)
    return list(CHECKPOINTS)


def _xlm_roberta_tokenizer() -> Any:
    """A Unigram tokenizer with the special tokens of XLM-R: <s> text </s>, <s> text </s></s> pair </s>."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=512,
    )


def _xlm_roberta_config(tokenizer: Any, **changes: Any) -> Any:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return transformers.XLMRobertaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        **{**sizes, **changes},
    )


def _write_e5(folder: Path) -> None:
    tokenizer = _xlm_roberta_tokenizer()
    # As wide as the real one, so that a collection's vectors have its size.
    config = _xlm_roberta_config(tokenizer, hidden_size=1024, num_hidden_layers=1, intermediate_size=64)
    transformers.XLMRobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_reranker(folder: Path) -> None:
    tokenizer = _xlm_roberta_tokenizer()
    config = _xlm_roberta_config(tokenizer)
    config.num_labels = 1
    model = transformers.XLMRobertaForSequenceClassification(config)
    torch.nn.init.normal_(model.classifier.out_proj.weight)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _write_siglip(folder: Path) -> None:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["<unk>", "</s>"], unk_token="<unk>")
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>", unk_token="<unk>", model_max_length=64
    )
    sizes = {"hidden_size": 768, "num_hidden_layers": 1, "num_attention_heads": 12, "intermediate_size": 64}
    config = transformers.SiglipConfig(
        text_config={**sizes, "vocab_size": len(fast), "pad_token_id": 1, "bos_token_id": None, "eos_token_id": 1},
        vision_config=sizes,
    )
    transformers.SiglipModel(config).save_pretrained(folder)
    processor = transformers.SiglipImageProcessorPil(size={"height": 224, "width": 224})
    transformers.SiglipProcessor(processor, fast).save_pretrained(folder)


def _write_jina(folder: Path) -> None:
    from mixpeek_dagster.inference.text.alibi_bert import AlibiBert, Sizes

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    # 12 heads are no power of two: the slopes of the real one.
    sizes = Sizes(len(fast), 48, 2, 12, 64, 2, 1e-12)
    code = "jinaai/jina-bert-v2-qk-post-norm--modeling_bert.JinaBertModel"
    config = {
        **vars(sizes),
        "model_type": "bert",
        "auto_map": {
            "AutoModel": code,
            "AutoConfig": code.replace("modeling_bert.JinaBertModel", "configuration_bert"),
        },
        "architectures": ["JinaBertForMaskedLM"],
        "position_embedding_type": "alibi",
        "feed_forward_type": "geglu",
        "hidden_act": "gelu",
        "emb_pooler": "mean",
        "max_position_embeddings": 8192,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = AlibiBert(sizes).state_dict()
    weights["pooler.dense.weight"], weights["pooler.dense.bias"] = torch.zeros(48, 48), torch.zeros(48)
    from safetensors.torch import save_file

    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _write_whisper(folder: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet))
    tasks = ["<|startoftranscript|>", "<|en|>", "<|de|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>"]
    tasks += ["<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=end, eos_token=end, pad_token=end, unk_token=end
    )
    fast.add_tokens([AddedToken(token, special=True, normalized=False) for token in tasks])
    fast.add_tokens([AddedToken(f"<|{step * 0.02:.2f}|>", normalized=False) for step in range(1501)])
    backend = fast.backend_tokenizer
    id_of: Callable[[str], int] = fast.convert_tokens_to_ids  # type: ignore[assignment] # of one token: one id
    # transformers finds it by its name, which its types do not have.
    whisper = getattr(transformers, "WhisperTokenizerFast")(  # noqa: B009
        tokenizer_object=backend, bos_token=end, eos_token=end, pad_token=end, unk_token=end
    )
    model = transformers.WhisperForConditionalGeneration(_whisper_config(len(whisper), id_of))
    config = model.config
    model.generation_config = transformers.GenerationConfig(
        no_timestamps_token_id=id_of("<|notimestamps|>"),
        is_multilingual=True,
        lang_to_id={token: id_of(token) for token in ("<|en|>", "<|de|>")},
        task_to_id={task: id_of(f"<|{task}|>") for task in ("translate", "transcribe")},
        decoder_start_token_id=config.decoder_start_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        max_length=24,
    )
    model.save_pretrained(folder)
    features = transformers.WhisperFeatureExtractor(feature_size=128)
    transformers.WhisperProcessor(features, whisper).save_pretrained(folder)


def _whisper_config(vocabulary: int, id_of: Callable[[str], int]) -> Any:
    end = id_of("<|endoftext|>")
    return transformers.WhisperConfig(
        vocab_size=vocabulary,
        num_mel_bins=128,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        decoder_start_token_id=id_of("<|startoftranscript|>"),
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        max_target_positions=64,
    )


CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "intfloat/multilingual-e5-large-instruct": _write_e5,
    "google/siglip-base-patch16-224": _write_siglip,
    "jinaai/jina-embeddings-v2-base-code": _write_jina,
    "BAAI/bge-reranker-v2-m3": _write_reranker,
    "openai/whisper-large-v3-turbo": _write_whisper,
}

if __name__ == "__main__":
    print("\n".join(write_checkpoints(Path(sys.argv[1]))))
