"""`mixpeek infer` as a process, against a gateway that is a real HTTP server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.api.upstream import Upstream, serving
from tests.cli.conftest import Mixpeek


@pytest.fixture
def gateway() -> Iterator[Upstream]:
    with serving(Upstream()) as upstream:
        upstream.plan({"embedding": [0.25] * 384, "sentiment": "positive"})
        yield upstream


def test_a_text_is_sent_and_the_reply_shown(mixpeek: Mixpeek, gateway: Upstream) -> None:
    done = mixpeek("infer", "all_minilm_l6_v2", "--text", "hello", MIXPEEK_INFERENCE_URL=gateway.url)
    assert done.returncode == 0, done.stderr
    assert "384 numbers [0.25, 0.25" in done.stdout
    assert "positive" in done.stdout
    assert "sentence-transformers/all-MiniLM-L6-v2 in " in done.stdout
    (asked,) = gateway.asked
    assert asked.path == "/all_minilm_l6_v2/v1"
    assert asked.body == {"inputs": {"text": "hello"}, "parameters": {}}


@pytest.mark.slow
def test_inputs_and_parameters_may_be_json(mixpeek: Mixpeek, gateway: Upstream) -> None:
    texts = ("--text", "one", "--text", "two")
    options = (*texts, "--input", 'tags=["a"]', "--input", "title=plain", "--parameter", "normalize=false", "--json")
    done = mixpeek("infer", "all_minilm_l6_v2", *options, MIXPEEK_INFERENCE_URL=gateway.url)
    assert json.loads(done.stdout)["data"]["sentiment"] == "positive"
    (asked,) = gateway.asked
    assert asked.body["inputs"] == {"tags": ["a"], "title": "plain", "texts": ["one", "two"]}
    assert asked.body["parameters"] == {"normalize": False}


@pytest.mark.slow
def test_the_key_of_a_call_is_for_that_call_alone(mixpeek: Mixpeek, gateway: Upstream) -> None:
    before = mixpeek("keys", "list", "--json").stdout
    mixpeek("infer", "all_minilm_l6_v2", "--text", "hello", MIXPEEK_INFERENCE_URL=gateway.url)
    assert gateway.asked[0].headers["Authorization"].startswith("Bearer sk_")
    assert mixpeek("keys", "list", "--json").stdout == before


def test_without_a_name_it_lists_what_there_is(mixpeek: Mixpeek) -> None:
    done = mixpeek("infer")
    assert done.returncode == 0, done.stderr
    assert "/multilingual_e5_large_instruct/v1" in done.stdout
    assert "mixpeek up" in done.stdout
    assert "all_minilm_l6_v2" in [
        one["inference_name"] for one in json.loads(mixpeek("infer", "--json").stdout)["results"]
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("all_minilm_l6_v2",), "--text"),
        (("all_minilm_l6_v2", "--text", "hello"), "mixpeek up"),
        (("nothing_1_0_0", "--text", "hello"), "all_minilm_l6_v2"),
        (("mixpeek://nothing@1.0.0/vector", "--text", "hello"), "plugin 'nothing_1_0_0'"),
        (("all_minilm_l6_v2", "--input", "text"), "key=value"),
    ],
)
def test_a_users_mistake_is_one_clear_error(mixpeek: Mixpeek, arguments: tuple[str, ...], said: str) -> None:
    done = mixpeek("infer", *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refusal_of_the_gateway_is_one_clear_error(mixpeek: Mixpeek, gateway: Upstream) -> None:
    error = {"success": False, "status": 503, "error": {"type": "UnavailableError", "message": "it is starting"}}
    gateway.plan(error, 503, Retry_After="2")
    done = mixpeek("infer", "all_minilm_l6_v2", "--text", "hello", MIXPEEK_INFERENCE_URL=gateway.url)
    assert done.returncode == 1
    assert "it is starting" in done.stderr
    assert "serving_failed" in done.stderr
