"""Models of a namespace in steps: a state dict by id, shared with other processes, and never another tenant's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mixpeek_dagster.errors import InvalidRequest, NotFound, PluginError
from mixpeek_dagster.models.lazy import LazyModelMixin
from mixpeek_dagster.models.namespace import load_namespace_model, models_of
from tests import guide
from tests.models.conftest import MakeTiny

MODEL = "two-by-three_1_0_0"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file({"0.weight": torch.arange(6.0).reshape(2, 3), "0.bias": torch.ones(2)}, path)
    return path


def only(model_id: str, path: Path) -> Callable[[str], Path]:
    """Finds one model and no other."""

    def find(wanted: str) -> Path:
        if wanted != model_id:
            raise NotFound(f"model {wanted!r}")
        return path

    return find


def test_both_import_names_are_the_same_function() -> None:
    import engine.models
    import engine.models.loader
    import shared.models.loader

    names = (engine.models, engine.models.loader, shared.models.loader)
    assert {module.load_namespace_model for module in names} == {load_namespace_model}


def test_a_model_takes_the_weights(weights: Path) -> None:
    with models_of("ns_a", only(MODEL, weights)):
        model = torch.nn.Sequential(torch.nn.Linear(3, 2))
        model.load_state_dict(load_namespace_model(MODEL))
    assert model(torch.ones(3)).tolist() == [4.0, 13.0]


@guide.needs_guide
def test_the_guides_models_take_their_weights(tmp_path: Path) -> None:
    made = torch.nn.Sequential(torch.nn.Linear(768, 256), torch.nn.ReLU(), torch.nn.Linear(256, 128))
    save_file(made.state_dict(), tmp_path / "weights.safetensors")
    with models_of("ns_a", only("my-fine-tuned-bert_1_0_0", tmp_path / "weights.safetensors")):
        processor = guide.run("models/namespace")["MyProcessor"]({})
        processor._ensure_model_loaded()
    assert torch.equal(processor._model(torch.ones(768)), made(torch.ones(768)))
    with models_of("ns_a", only("my-fine-tuned-model_1_0_0", tmp_path / "weights.safetensors")):
        assert guide.run("large/namespace")["weights"].keys() == made.state_dict().keys()


def test_weights_are_loaded_once_and_mapped_from_the_file(weights: Path) -> None:
    with models_of("ns_a", only(MODEL, weights)):
        first, second = load_namespace_model(MODEL), load_namespace_model(MODEL)
    assert first["0.weight"].data_ptr() == second["0.weight"].data_ptr()
    mapped = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    ranges = [tuple(int(end, 16) for end in line[0].split("-")) for line in mapped if line[-1] == str(weights)]
    assert any(start <= first["0.weight"].data_ptr() < end for start, end in ranges)


def test_a_folder_of_shards_is_one_state_dict(make_tiny: MakeTiny) -> None:
    from transformers import BertModel

    folder = make_tiny()
    model = BertModel.from_pretrained(folder)
    model.save_pretrained(folder, max_shard_size="8KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    assert len(list(folder.glob("*.safetensors"))) > 1
    with models_of("ns_a", only(MODEL, folder)):
        found = load_namespace_model(MODEL)
    assert found.keys() == model.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items())


def test_outside_of_steps_there_is_no_namespace() -> None:
    with pytest.raises(InvalidRequest, match="no step of a collection runs here"):
        load_namespace_model(MODEL)


def in_thread(work: Callable[[], Any]) -> Any:
    """What a thread that the plugin starts makes of it."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


def test_threads_of_a_step_see_its_namespace_and_no_other(weights: Path) -> None:
    with models_of("ns_a", only(MODEL, weights)):
        assert in_thread(lambda: load_namespace_model(MODEL)).keys() == {"0.weight", "0.bias"}
        with models_of("ns_b", only("other_1_0_0", weights)):
            with pytest.raises(NotFound):
                load_namespace_model(MODEL)
            found = in_thread(lambda: load_namespace_model(MODEL))
            assert isinstance(found, InvalidRequest)
            assert "several namespaces" in str(found)
        assert load_namespace_model(MODEL).keys() == {"0.weight", "0.bias"}


class _Linear(LazyModelMixin):
    model_id = MODEL
    model_source = "namespace"

    def _instantiate_model(self, data: dict[str, Any]) -> Any:
        model = torch.nn.Sequential(torch.nn.Linear(3, 2))
        model.load_state_dict(data)
        return model


class _Folder(LazyModelMixin):
    model_id = MODEL
    model_source = "namespace"


def test_the_mixin_builds_a_model_of_the_namespace(weights: Path) -> None:
    with models_of("ns_a", only(MODEL, weights)):
        processor = _Linear()
        processor.ensure_model_loaded()
        assert processor.model(torch.ones(3)).tolist() == [4.0, 13.0]
        assert processor.model is processor.get_model()[0]
        assert processor.tokenizer is None
        with pytest.raises(PluginError, match="_instantiate_model"):
            _Folder().get_model()


def test_the_mixin_loads_a_folder_of_the_namespace(make_tiny: MakeTiny) -> None:
    with models_of("ns_a", only(MODEL, make_tiny())):
        processor = _Folder()
        inputs = processor.tokenizer(["a tall tree"], return_tensors="pt")
        inputs.pop("token_type_ids", None)
        assert processor.model(**inputs).last_hidden_state.shape == (1, 3, 32)
