"""The code model: our network against one written out naively, its loading, and its texts of any length."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from mixpeek_dagster.errors import StepError
from mixpeek_dagster.inference.devices import Device
from mixpeek_dagster.inference.text import alibi_bert
from mixpeek_dagster.inference.text.alibi_bert import AlibiBert, distance_bias, slopes
from mixpeek_dagster.inference.text.encoder import PackedModel
from mixpeek_dagster.inference.text.models import JinaEmbeddingsV2BaseCode
from mixpeek_dagster.models.loading import ModelRequest, load_model

MODEL = "jinaai/jina-embeddings-v2-base-code"
CLASS = "mixpeek_dagster.inference.text.alibi_bert.AlibiBert"


@pytest.fixture
def model(cache: Path) -> AlibiBert:
    return AlibiBert.from_pretrained(cache / MODEL, torch.float32).eval().requires_grad_(False)


def naive(weights: dict[str, torch.Tensor], ids: list[int], heads: int) -> torch.Tensor:
    """The last states of one text, position by position, with nothing but sums, products and norms."""

    def norm(states: torch.Tensor, name: str) -> torch.Tensor:
        mean, variance = states.mean(-1, keepdim=True), states.var(-1, unbiased=False, keepdim=True)
        return (states - mean) / (variance + 1e-12).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(states: torch.Tensor, name: str) -> torch.Tensor:
        return states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    states = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.token_type_embeddings.weight"][0]
    states = norm(states, "embeddings.LayerNorm")
    width = states.shape[1] // heads
    for layer in range(2):
        base = f"encoder.layer.{layer}"
        mine = f"{base}.attention.self"
        queries = norm(linear(states, f"{mine}.query"), f"{mine}.layer_norm_q")
        keys = norm(linear(states, f"{mine}.key"), f"{mine}.layer_norm_k")
        values = linear(states, f"{mine}.value")
        attended = torch.zeros_like(states)
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            for i in range(len(ids)):
                scores = [
                    float(queries[i, part] @ keys[j, part]) / math.sqrt(width) - float(slopes(heads)[head]) * abs(i - j)
                    for j in range(len(ids))
                ]
                attended[i, part] = torch.tensor(scores).softmax(0) @ values[:, part]
        out = norm(linear(attended, f"{base}.attention.output.dense") + states, f"{base}.attention.output.LayerNorm")
        states = norm(states + out, f"{base}.layer_norm_1")
        up, gate = (states @ weights[f"{base}.mlp.up_gated_layer.weight"].T).chunk(2, dim=-1)
        gated = up * gate * 0.5 * (1 + torch.erf(gate / math.sqrt(2)))
        states = norm(states + linear(gated, f"{base}.mlp.down_layer"), f"{base}.layer_norm_2")
    return states


def test_the_network_computes_what_is_written_out(model: AlibiBert) -> None:
    torch.manual_seed(3)
    for name, value in model.state_dict().items():
        if "norm" in name.lower():
            value.add_(torch.rand_like(value))
    ids = [0, 17, 200, 33, 33, 90, 2]
    found = model(torch.tensor([ids]), torch.ones(1, 7, dtype=torch.long)).last_hidden_state[0]
    assert torch.allclose(found, naive(dict(model.state_dict()), ids, 12), atol=1e-4)


def test_slopes_are_those_of_the_paper() -> None:
    assert slopes(8).tolist() == [2**-n for n in range(1, 9)]
    twelve = slopes(12).tolist()
    assert twelve[:8] == slopes(8).tolist()
    assert twelve[8:] == pytest.approx([2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5])


def test_bias_falls_on_both_sides_alike() -> None:
    bias = distance_bias(slopes(4), 0, 5, 5, None)
    expected = [[[-(2 ** (-2 * (h + 1))) * abs(i - j) for j in range(5)] for i in range(5)] for h in range(4)]
    assert torch.allclose(bias, torch.tensor([expected]))
    assert torch.equal(distance_bias(slopes(4), 2, 4, 5, None), bias[:, :, 2:4])


def test_attention_in_parts_gives_the_same(model: AlibiBert, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.randint(5, 300, (2, 40), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, 25:] = 0
    whole = model(ids, mask).last_hidden_state
    monkeypatch.setattr(alibi_bert, "_SCORES", 2 * 12 * 40 * 7)
    assert torch.allclose(model(ids, mask).last_hidden_state[0], whole[0], atol=1e-5)
    assert torch.allclose(model(ids, mask).last_hidden_state[1, :25], whole[1, :25], atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=12), budget=st.integers(1, 200))
def test_any_split_into_packs_gives_the_same_vectors(cache: Path, lengths: list[int], budget: int) -> None:
    model = AlibiBert.from_pretrained(cache / MODEL, torch.float32).eval().requires_grad_(False)
    random = np.random.default_rng(len(lengths))
    ids = [random.integers(5, 300, length).tolist() for length in lengths]

    def mean(output: Any, mask: torch.Tensor) -> Any:
        weights = mask.unsqueeze(-1).float()
        return (output.last_hidden_state * weights).sum(1) / weights.sum(1)

    device = Device("cpu", "float32")
    packed = PackedModel(model, 1, device, budget).run(ids, mean, 48).values
    alone = np.concatenate([PackedModel(model, 1, device).run([each], mean, 48).values for each in ids])
    assert np.allclose(packed, alone, atol=1e-5)


def test_the_checkpoint_is_loaded_by_its_own_names_and_no_remote_code_is_run(cache: Path) -> None:
    loaded = load_model(ModelRequest(MODEL, CLASS, "AutoTokenizer", "float32"))
    assert type(loaded.model) is AlibiBert
    assert not loaded.model.training
    weights = load_file(cache / MODEL / "model.safetensors")
    ours = loaded.model.state_dict()
    assert set(weights) - set(ours) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert all(torch.equal(ours[name], weights[name]) for name in ours)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda weights: weights.pop("encoder.layer.1.mlp.down_layer.bias"), "down_layer.bias"),
        (lambda weights: weights.update({"encoder.layer.0.extra": torch.zeros(1)}), "encoder.layer.0.extra"),
        (lambda weights: weights.update({"embeddings.LayerNorm.weight": torch.ones(3)}), "size mismatch"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(cache: Path, tmp_path: Path, change: object, said: str) -> None:
    shutil.copytree(cache / MODEL, tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    change(weights)  # type: ignore[operator]
    save_file(weights, tmp_path / "model" / "model.safetensors")
    with pytest.raises(RuntimeError, match=said):
        AlibiBert.from_pretrained(tmp_path / "model")


def test_another_architecture_is_refused_by_name(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mixpeek_dagster.models import loading

    shutil.copytree(cache / MODEL, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "position_embedding_type": "absolute"}))
    monkeypatch.setattr(loading, "find_model", lambda _: tmp_path / "model")
    with pytest.raises(StepError, match="'absolute', not 'alibi'"):
        load_model(ModelRequest("some/other", CLASS))


def test_weights_under_the_task_models_prefix_and_in_torchs_format(cache: Path, tmp_path: Path) -> None:
    shutil.copytree(cache / MODEL, tmp_path / "model")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    (tmp_path / "model" / "model.safetensors").unlink()
    renamed = {f"bert.{name}": value for name, value in weights.items()} | {"cls.predictions.bias": torch.zeros(3)}
    torch.save(renamed, tmp_path / "model" / "pytorch_model.bin")
    found = AlibiBert.from_pretrained(tmp_path / "model", torch.float32)
    assert torch.equal(found.embeddings.LayerNorm.weight, weights["embeddings.LayerNorm.weight"])


def test_the_service_embeds_long_code_and_counts_what_is_cut() -> None:
    service = JinaEmbeddingsV2BaseCode({"max_tokens": 64})
    frame = service(pd.DataFrame({"data": ["def add(a, b): return a + b", "total = 0\n" * 200]}))
    vectors = np.stack(frame["embedding"].tolist())
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, 48)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert service.counters["rows_truncated"] == 1
    assert JinaEmbeddingsV2BaseCode.most_tokens == 8192
