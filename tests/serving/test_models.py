"""Built-in models over HTTP: the same numbers as in batches, in the shapes that are promised."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
from huggingface_hub import constants

from mixpeek_dagster.inference.registry import SERVICES, get_batch_service
from mixpeek_dagster.models import loading
from tests.http.lines import FIELDS
from tests.inference.checkpoints import fill_cache
from tests.serving.model_server import ModelServer, served
from tests.serving.wrong_inputs import E5, JINA, MINILM, MOBILENET, RERANKER, SIGLIP, WHISPER, WRONG
from tests.speech import synthesise

IMAGES = Path(sklearn.datasets.__file__).parent / "images"


TEXTS = [
    "how do I make coffee?",
    "rain",
    "the pipeline completed but zero documents were written to the database " * 12,
    "grind the beans for an espresso, then wait " * 3,
    "word " * 400,
]


DOCUMENTS = [*TEXTS[1:2], "grind the beans for an espresso", "a tall tree " * 4]


CODE = ["def add(a, b):\n    return a + b", "class Counter:\n    total = 0"]


BODY_BYTES = 4_000_000


SENTENCE = "The pipeline completed, but zero documents were written to the database."


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Other files' checkpoints have the same ids, and tokenizers that were trained anew.
    loading._loaded.clear()
    return fill_cache(tmp_path_factory.mktemp("all_models"))


@pytest.fixture(scope="module")
def models_server(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    home = tmp_path_factory.mktemp("served")
    with served([*SERVICES, "acme/unknown"], cache, home, inference_body_bytes=BODY_BYTES) as server:
        yield server


@pytest.fixture(autouse=True)
def _models(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def in_batch(model_id: str, cells: list[Any], column: str = "embedding", **config: Any) -> list[Any]:
    return get_batch_service(model_id)(config)(pd.DataFrame({"data": cells}))[column].tolist()


def cosines(found: object, expected: object) -> np.ndarray:
    one, other = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert one.shape == other.shape
    return np.asarray((one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1))


def answered(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    body: dict[str, Any] = reply.json()
    return body


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@pytest.mark.parametrize("model_id", [MINILM, E5, JINA])
def test_texts_get_the_vectors_that_batches_give_them(models_server: ModelServer, model_id: str) -> None:
    texts = [*TEXTS, *CODE]
    body = answered(models_server.post(model_id, {"texts": texts}))
    assert set(body) == {"embeddings"}
    assert cosines(body["embeddings"], in_batch(model_id, texts)).min() > 0.9999


def test_one_text_gets_one_vector(models_server: ModelServer) -> None:
    body = answered(models_server.post(MINILM, {"text": TEXTS[0], "vector_index": "anything"}))
    assert set(body) == {"embedding"}
    assert len(body["embedding"]) == 384
    assert cosines(body["embedding"], in_batch(MINILM, TEXTS[:1])[0]) > 0.9999


def test_no_texts_get_no_vectors(models_server: ModelServer) -> None:
    assert answered(models_server.post(MINILM, {"texts": []})) == {"embeddings": []}


def test_queries_get_the_prefix_that_batches_give_them(models_server: ModelServer) -> None:
    for parameters in ({"input_type": "query"}, {"input_type": "query", "instruction": "Find the weather"}):
        body = answered(models_server.post(E5, {"text": TEXTS[1]}, parameters))
        assert cosines(body["embedding"], in_batch(E5, TEXTS[1:2], **parameters)[0]) > 0.9999


def test_requests_side_by_side_each_get_their_own(models_server: ModelServer) -> None:
    texts = [f"{text} {number}" for number in range(12) for text in TEXTS]

    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60) as client:
            bodies = [{"inputs": {"text": text}} for text in texts]
            return await asyncio.gather(*(client.post(models_server.url_of(MINILM), json=body) for body in bodies))

    found = [answered(reply)["embedding"] for reply in asyncio.run(run())]
    assert cosines(found, in_batch(MINILM, texts)).min() > 0.9999


@pytest.mark.parametrize("model_id", [SIGLIP, MOBILENET])
def test_images_get_the_vectors_that_batches_give_them(models_server: ModelServer, model_id: str) -> None:
    paths = [IMAGES / "china.jpg", IMAGES / "flower.jpg"]
    expected = in_batch(model_id, [str(path) for path in paths])
    body = answered(models_server.post(model_id, {"images": [encoded(path) for path in paths]}))
    assert cosines(body["embeddings"], expected).min() > 0.9999
    single = answered(models_server.post(model_id, {"image": f"data:image/jpeg;base64,{encoded(paths[0])}"}))
    assert cosines(single["embedding"], expected[0]) > 0.9999


def test_texts_are_embedded_to_find_images(models_server: ModelServer) -> None:
    encoder = get_batch_service(SIGLIP)().encoder  # type: ignore[attr-defined]
    body = answered(models_server.post(SIGLIP, {"texts": TEXTS}))
    assert cosines(body["embeddings"], encoder.encode_texts(TEXTS).vectors).min() > 0.9999
    assert len(answered(models_server.post(SIGLIP, {"text": "a palace"}))["embedding"]) == 768


@pytest.mark.parametrize("name", ["documents", "passages", "texts"])
def test_documents_get_the_scores_that_batches_give_them(models_server: ModelServer, name: str) -> None:
    body = answered(models_server.post(RERANKER, {"query": TEXTS[0], name: DOCUMENTS}))
    assert set(body) == {"scores"}
    assert np.allclose(body["scores"], in_batch(RERANKER, DOCUMENTS, "score", query=TEXTS[0]), atol=1e-5)


def test_speech_is_written_down_as_in_batches(models_server: ModelServer, tmp_path: Path) -> None:
    path = tmp_path / "sentence.wav"
    synthesise(SENTENCE, path)
    body = answered(models_server.post(WHISPER, {"audio": encoded(path)}))
    assert body["text"] == SENTENCE
    ((start, end, text),) = (segment.values() for segment in body["segments"])
    assert text == SENTENCE
    assert 0 <= start < end
    timed = answered(models_server.post(WHISPER, {"audio": encoded(path)}, {"timestamps": True}))
    assert timed["segments"] == in_batch(WHISPER, [str(path)], "segments", segments_column="segments")[0]


def test_silence_is_no_text(models_server: ModelServer) -> None:
    import wave

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))
    body = answered(models_server.post(WHISPER, {"audio": base64.b64encode(buffer.getvalue()).decode()}))
    assert body == {"text": "", "segments": []}


@pytest.mark.parametrize(("model_id", "inputs", "parameters", "location", "said"), WRONG)
def test_what_is_wrong_is_said_with_its_field(
    models_server: ModelServer, model_id: str, inputs: Any, parameters: Any, location: list[str], said: str
) -> None:
    reply = models_server.post(model_id, inputs, parameters)
    assert reply.status_code == 422, reply.text
    error = reply.json()["error"]
    assert error["type"] == "ValidationError"
    (problem,) = error["details"]["validation_errors"]
    assert problem["location"] == ["body", *location]
    assert said in problem["message"]
    assert "Traceback" not in reply.text


def test_a_body_that_is_too_large_is_refused(models_server: ModelServer) -> None:
    reply = httpx.post(models_server.url_of(MINILM), content=iter([b" " * BODY_BYTES, b" "]), timeout=60)
    assert (reply.status_code, reply.headers["connection"]) == (413, "close")
    assert reply.json()["error"]["message"] == "the body has more than 4,000,000 bytes"


def test_inputs_of_a_client_that_went_away_leave_the_queue(models_server: ModelServer) -> None:
    host, _, port = models_server.url.removeprefix("http://").partition(":")
    body = json.dumps({"inputs": {"texts": ["word " * 300] * 1000}}).encode()
    head = f"POST /all_minilm_l6_v2/v1 HTTP/1.1\r\nhost: x\r\nx-request-id: gone\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        models_server.await_load(lambda about: about["queued"] > 500)
    models_server.await_load(lambda about: about["queued"] == 0 and about["in_flight"] == 0)
    assert models_server.line("gone")["status"] == 499


def test_readyz_tells_state_and_load(models_server: ModelServer) -> None:
    report = httpx.get(f"{models_server.url}/readyz").json()
    said = (report["instance"], report["ready"], report["in_flight"], report["queued"])
    assert said == (models_server.instance, True, 0, 0)
    about = report["endpoints"]["/all_minilm_l6_v2/v1"]
    assert about.pop("cold_start_seconds") > 0
    assert about == {"state": "ready", "model": MINILM, "in_flight": 0, "queued": 0}
    assert "acme/unknown" in report["unserved"]["acme/unknown"]
    assert len(report["endpoints"]) == len(SERVICES)
    assert httpx.get(f"{models_server.url}/healthz").text == "alive"


def test_metrics_tell_requests_packs_and_waits(models_server: ModelServer) -> None:
    models_server.post(JINA, {"texts": CODE})
    models_server.post(MINILM, {"text": "word " * 2000})
    # Figures follow the reply, as the line of the log does.
    models_server.line(models_server.post(JINA, {"text": 3}).headers["x-request-id"])
    lines = httpx.get(f"{models_server.url}/metrics").text.splitlines()
    figures = {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
    }
    jina, minilm = 'route="/jina_embeddings_v2_base_code/v1"', 'route="/all_minilm_l6_v2/v1"'

    def figure(name: str, *labels: str) -> float:
        return sum(
            value
            for each, value in figures.items()
            if each.startswith(f"mixpeek_inference_{name}{{") and all(label in each for label in labels)
        )

    assert figure("requests_total", jina, 'status="200"') >= 1
    assert figure("requests_total", jina, 'status="422"') >= 1
    assert figure("request_seconds_count", jina) >= 2
    assert figure("batch_items_sum", jina) >= 2
    assert figure("batch_tokens_sum", jina) > 2
    assert figure("queue_seconds_count", jina) >= 2
    assert figure("queued", jina) == 0
    assert figure("cold_start_seconds", jina) > 0
    assert figure("truncated_tokens_total", minilm) > 1000
    assert any(name.startswith("bentoml_service_request_total") for name in figures)


def test_a_request_has_an_id_everywhere_and_its_content_nowhere(models_server: ModelServer) -> None:
    reply = models_server.post(MINILM, {"text": "octarine"}, **{"x-request-id": "from-the-client-1"})
    assert reply.headers["x-request-id"] == "from-the-client-1"
    line = models_server.line("from-the-client-1")
    assert (line["event"], line["status"], line["path"]) == ("request", 200, "/all_minilm_l6_v2/v1")
    assert set(line) == FIELDS
    assert line["bytes_out"] == len(reply.content)
    assert "octarine" not in models_server.log.read_text(encoding="utf-8")


@pytest.mark.parametrize("model_id", SERVICES)
def test_examples_of_the_page_are_answered_as_it_says(models_server: ModelServer, model_id: str) -> None:
    route = models_server.url_of(model_id).removeprefix(models_server.url)
    operation = httpx.get(f"{models_server.url}/docs.json").json()["paths"][route]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    example = schema["example"]
    assert set(example["inputs"]) <= set(schema["properties"]["inputs"]["properties"])
    reply = httpx.post(f"{models_server.url}{route}", json=example, timeout=60)
    promised = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert set(answered(reply)) <= set(promised)
    assert f"Model `{model_id}`." in operation["description"]
    assert set(operation["responses"]) == {"200", "413", "422", "429", "500", "503", "504"}


def test_bentoml_client_calls_a_model_by_its_name(models_server: ModelServer) -> None:
    async def call() -> Any:
        async with bentoml.AsyncHTTPClient(models_server.url) as client:
            return await client.all_minilm_l6_v2(inputs={"text": "rain"}, parameters={})

    assert len(asyncio.run(call())["embedding"]) == 384
