"""What all built-in services share: ids, configs, columns, devices."""

from __future__ import annotations

import base64
import importlib
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mixpeek_dagster.errors import InvalidRequest, NotFound, OutOfMemory
from mixpeek_dagster.inference.devices import Device, choose_device
from mixpeek_dagster.inference.image.encoder import ImageEncoder
from mixpeek_dagster.inference.packing import in_halves
from mixpeek_dagster.inference.registry import SERVICES, get_batch_service
from mixpeek_dagster.inference.speech.transcriber import Transcriber, Window
from mixpeek_dagster.inference.text.encoder import PackedModel, tokenize
from mixpeek_dagster.models.loading import ModelRequest, load_model
from mixpeek_dagster.plugins.pipeline import PipelineDefinition, StepDefinition, build_pipeline_steps
from tests.speech import synthesise

CONFIGS = {
    "intfloat/multilingual-e5-large-instruct": "intfloat.multilingual_e5_large_instruct",
    "google/siglip-base-patch16-224": "google.siglip_base_patch16_224",
    "jinaai/jina-embeddings-v2-base-code": "jinaai.jina_embeddings_v2_base_code",
    "BAAI/bge-reranker-v2-m3": "baai.bge_reranker_v2_m3",
    "openai/whisper-large-v3-turbo": "openai.whisper_large_v3_turbo",
}
MINILM = "sentence-transformers/all-MiniLM-L6-v2"
E5 = "intfloat/multilingual-e5-large-instruct"
RERANKER = "BAAI/bge-reranker-v2-m3"


@pytest.mark.parametrize("service_id", SERVICES)
def test_a_service_is_found_by_the_id_of_its_model(service_id: str) -> None:
    service = get_batch_service(service_id)
    assert service.model.model_id == service_id
    assert service().config == service.Config() if service_id != "BAAI/bge-reranker-v2-m3" else True


def test_an_unknown_service_lists_those_there_are() -> None:
    with pytest.raises(NotFound, match="openai/whisper-large-v3-turbo"):
        get_batch_service("openai/whisper-huge")


@pytest.mark.parametrize(("service_id", "module"), CONFIGS.items())
def test_configs_are_found_by_the_name_of_the_model(service_id: str, module: str) -> None:
    found = importlib.import_module(f"shared.inference.{module}.models")
    assert found.InferenceConfigs is get_batch_service(service_id).Config
    assert found.__all__ == ["InferenceConfigs"]


def test_a_pipeline_of_a_built_in_service_runs() -> None:
    service = get_batch_service(E5)
    config = service.Config.model_validate({"text_column": "text", "output_column_name": "embedding"})
    pipeline = PipelineDefinition(
        name="sentences", version="v1", steps=[StepDefinition(service_class=service, config=config)]
    )
    (step,) = build_pipeline_steps(pipeline)
    made = step.build()(pd.DataFrame({"text": ["rain over the sea", "a tall tree"]}))
    assert isinstance(made, pd.DataFrame)
    assert_vectors(made)


def assert_vectors(frame: pd.DataFrame) -> None:
    vectors = np.stack(frame["embedding"].tolist())
    assert vectors.shape == (2, 1024)
    assert vectors.dtype == np.float32


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"text_colum": "a"}, "text_colum"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"input_type": "passage"}, "input_type"),
        (7, "builtins.int"),
        (
            importlib.import_module("shared.inference.openai.whisper_large_v3_turbo.models").InferenceConfigs(),
            "Transcr",
        ),
    ],
)
def test_a_wrong_config_says_which_field_and_lists_all(config: object, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        get_batch_service(MINILM)(config)


def test_a_missing_column_lists_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"'body'.*Columns: title, text"):
        get_batch_service(MINILM)({"text_column": "body"})(pd.DataFrame({"title": [], "text": []}))


def test_a_dict_and_an_object_mean_the_same() -> None:
    service = get_batch_service(MINILM)
    frame = pd.DataFrame({"text": ["a tall tree"]})
    given = {"text_column": "text", "normalize": False}
    first, second = (service(config)(frame)["embedding"][0] for config in (given, service.Config(**given)))
    assert np.array_equal(first, second)
    assert not np.isclose(np.linalg.norm(first), 1)


def test_instructions_go_before_queries_alone() -> None:
    service = get_batch_service(E5)
    text = "rain over the sea"
    frame = pd.DataFrame({"data": [text]})
    document, query, task = (
        service(config)(frame)["embedding"][0]
        for config in ({}, {"input_type": "query"}, {"input_type": "query", "instruction": "Find the weather"})
    )
    written = service()(pd.DataFrame({"data": [f"Instruct: Find the weather\nQuery: {text}"]}))["embedding"][0]
    assert np.allclose(task, written, atol=1e-5)
    assert not np.allclose(document, query, atol=1e-3)
    assert not np.allclose(query, task, atol=1e-3)


def test_the_real_text_model_ranks_what_belongs_together_first() -> None:
    texts = ["how do I make coffee?", "grind the beans for an espresso", "stocks fell today", "a cat sat on the mat"]
    vectors = np.stack(get_batch_service(MINILM)()(pd.DataFrame({"data": texts}))["embedding"].tolist())
    near, *far = (vectors[1:] @ vectors[0]).tolist()
    assert near > 0.5
    assert max(far) < near - 0.3


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=8), most=st.integers(4, 40))
def test_what_is_cut_is_counted_in_tokens(texts: list[str], most: int) -> None:
    tokenizer = load_model(ModelRequest(E5, torch_dtype="float32")).tokenizer
    whole = [len(ids) for ids in tokenizer(texts)["input_ids"]]
    found = tokenize(tokenizer, texts, most)
    assert found.dropped.tolist() == [max(length - most, 0) for length in whole]
    assert [len(ids) for ids in found.ids] == [min(length, most) for length in whole]


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=12), budget=st.integers(1, 300))
def test_any_split_into_packs_gives_the_same_vectors(lengths: list[int], budget: int) -> None:
    model = load_model(ModelRequest(E5, torch_dtype="float32")).model
    random = np.random.default_rng(sum(lengths))
    ids = [random.integers(5, model.config.vocab_size, length).tolist() for length in lengths]
    device = Device("cpu", "float32")

    def first(output: Any, _mask: Any) -> Any:
        return output.last_hidden_state[:, 0]

    packed = PackedModel(model, 1, device, budget).run(ids, first, 1024).values
    alone = np.concatenate([PackedModel(model, 1, device).run([each], first, 1024).values for each in ids])
    assert np.allclose(packed, alone, atol=1e-5)


class _Cramped:
    """A model with memory for so many rows."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        if len(input_ids) > self.most:
            raise torch.OutOfMemoryError("no room")
        return SimpleNamespace(sums=(input_ids * attention_mask).sum(1, keepdim=True))


@pytest.mark.parametrize("rows", [1, 2, 7, 33])
def test_a_pack_that_does_not_fit_is_halved_until_it_does(rows: int) -> None:
    ids = [[row, 1] for row in range(rows)]
    model = PackedModel(_Cramped(2), 0, Device("cpu", "float32"))
    found = model.run(ids, lambda output, _: output.sums, 1)
    assert found.values[:, 0].tolist() == [row + 1 for row in range(rows)]
    assert found.unfit == ()


def test_one_row_that_does_not_fit_leaves_the_others_be() -> None:
    def work(rows: np.ndarray) -> Any:
        if 3 in rows:
            raise torch.OutOfMemoryError("no room")
        return rows.tolist()

    found = [(rows.tolist(), result) for rows, result in in_halves(work, np.arange(6), Device("cpu", "float32"))]
    assert found == [([0, 1, 2], [0, 1, 2]), ([3], None), ([4, 5], [4, 5])]


@pytest.mark.parametrize(
    ("service_id", "config", "cells", "column", "said"),
    [
        (MINILM, {}, ["a tree", "word " * 60, "a sea"], "embedding", "the text: it has 300 characters, and memory"),
        (RERANKER, {"query": "rain"}, ["a tree", "word " * 60, "a sea"], "score", "the passage: it has 300 characters"),
    ],
)
def test_one_text_that_memory_does_not_do_for_fails_its_row_alone(
    monkeypatch: pytest.MonkeyPatch, service_id: str, config: dict[str, Any], cells: list[str], column: str, said: str
) -> None:
    forward = PackedModel.forward

    def cramped(self: PackedModel, ids: list[list[int]], head: Any) -> Any:
        if max(map(len, ids)) > 40:
            raise torch.OutOfMemoryError("no room")
        return forward(self, ids, head)

    monkeypatch.setattr(PackedModel, "forward", cramped)
    service = get_batch_service(service_id)(config)
    found = service(pd.DataFrame({"data": cells}))[column].tolist()
    ((position, error),) = service.row_errors.items()
    assert position == 1
    assert isinstance(error, OutOfMemory)
    assert said in str(error)
    assert np.all(np.isnan(found[1])) if column == "score" else found[1] is None
    assert np.isfinite(np.asarray([found[0], found[2]])).all()


def test_one_image_that_memory_does_not_do_for_fails_its_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    encode_pack = ImageEncoder.encode_pack

    def cramped(self: ImageEncoder, pixels: np.ndarray) -> Any:
        if not pixels.any(axis=(1, 2, 3)).all():
            raise torch.OutOfMemoryError("no room")
        return encode_pack(self, pixels)

    def url(colour: str) -> str:
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
        return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"

    monkeypatch.setattr(ImageEncoder, "encode_pack", cramped)
    # Black is too much for it.
    service = get_batch_service("torchvision/mobilenet_v2")()
    found = service(pd.DataFrame({"data": [url("red"), url("black"), url("blue")]}))["embedding"].tolist()
    assert found[1] is None
    assert [np.linalg.norm(found[place]).round(3) for place in (0, 2)] == [1, 1]
    assert [type(error) for error in service.row_errors.values()] == [OutOfMemory]


def test_a_clip_that_memory_does_not_do_for_fails_its_row_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hear = Transcriber.hear

    def cramped(self: Transcriber, windows: list[Window]) -> Any:
        if any(window.samples.size > 32_000 for window in windows):
            raise torch.OutOfMemoryError("no room")
        return hear(self, windows)

    def clip(name: str, text: str) -> str:
        synthesise(text, tmp_path / name)
        return str(tmp_path / name)

    monkeypatch.setattr(Transcriber, "hear", cramped)
    service = get_batch_service("openai/whisper-tiny.en")()
    texts = {"long.wav": "The river was quiet in the early morning, and nobody spoke.", "short.wav": "Hello."}
    paths = [clip(name, text) for name, text in texts.items()]
    found = service(pd.DataFrame({"data": paths}))["transcription"].tolist()
    assert pd.isna(found[0])
    assert "ello" in found[1]
    assert [type(error) for error in service.row_errors.values()] == [OutOfMemory]


def test_other_errors_are_not_tried_again() -> None:
    calls = []

    def work(rows: np.ndarray) -> None:
        calls.append(len(rows))
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(in_halves(work, np.arange(6), Device("cpu", "float32")))
    assert calls == [6]


def test_device_and_dtype_suit_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device() == Device("cpu", "float32")
    assert choose_device("cpu", "bfloat16") == Device("cpu", "bfloat16")
    with pytest.raises(InvalidRequest, match="no GPU"):
        choose_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert choose_device() == Device("cuda", "bfloat16")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert choose_device("cuda:1") == Device("cuda:1", "float16")


def test_a_service_computes_in_the_type_it_is_told() -> None:
    service = get_batch_service(MINILM)({"dtype": "bfloat16"})
    loaded, device = service.load()
    assert loaded.model.dtype is torch.bfloat16
    assert device == Device("cpu", "bfloat16")
    vector = service(pd.DataFrame({"data": ["a tall tree"]}))["embedding"][0]
    assert vector.dtype == np.float32
    exact = get_batch_service(MINILM)()(pd.DataFrame({"data": ["a tall tree"]}))["embedding"][0]
    assert vector @ exact > 0.99
