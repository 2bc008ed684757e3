"""Settings that are wrong are named, with why."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from mixpeek_dagster.errors import SettingsError
from mixpeek_dagster.settings import ProviderLimits, Reader, Settings, variable


def test_limits_of_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "MIXPEEK_API_LIMITS", '{"google": {"concurrency": 2, "per_minute": 600}, "default": {"tries": 1}}'
    )
    settings = Settings.load()
    assert settings.limits_of("google") == ProviderLimits(concurrency=2, per_minute=600)
    assert settings.limits_of("other") == ProviderLimits(tries=1)


def test_without_a_setting_providers_have_sane_limits() -> None:
    limits = Settings.load().limits_of("google")
    assert (limits.concurrency, limits.per_minute, limits.tries) == (8, None, 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("concurrency=8", "MIXPEEK_API_LIMITS: it is not JSON"),
        ("", "MIXPEEK_API_LIMITS: it is not JSON"),
        ("[8]", "MIXPEEK_API_LIMITS: Input should be a valid dictionary"),
        ('{"google": 8}', "MIXPEEK_API_LIMITS: google: Input should be a valid dictionary"),
        ('{"google": {"concurrency": 0}}', "MIXPEEK_API_LIMITS: google.concurrency: Input should be greater"),
        ('{"google": {"per_hour": 9}}', "MIXPEEK_API_LIMITS: google.per_hour: Extra inputs are not permitted"),
    ],
)
def test_limits_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.setenv("MIXPEEK_API_LIMITS", text)
    with pytest.raises(SettingsError) as error:
        Settings.load()
    assert said in str(error.value)


def test_a_plain_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXPEEK_BATCH_SIZE", "many")
    with pytest.raises(SettingsError, match="MIXPEEK_BATCH_SIZE: Input should be a valid integer"):
        Settings.load()


def test_a_child_reads_what_its_parent_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(
        home=Path("/somewhere"),
        organization="mine",
        qdrant_api_key=SecretStr("k"),
        private_assets=True,
        ray_step_cpus=0.5,
        api_limits={"google": ProviderLimits(concurrency=2)},
        inference_threads=3,
    )
    for reader in Reader:
        for name, value in given.variables(reader).items():
            monkeypatch.setenv(name, value)
    assert Settings.load() == given


def test_secrets_go_to_those_alone_that_open_the_stores() -> None:
    secrets = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    given = Settings.model_validate(dict.fromkeys(secrets, "secret"))
    assert "secret" in given.variables(Reader.STORES).values()
    for reader in set(Reader) - {Reader.STORES}:
        assert "secret" not in given.variables(reader).values()


def test_stores_without_an_address_are_embedded() -> None:
    assert Settings(qdrant_url="http://q").embedded_stores == [variable("mongodb_url"), variable("s3_url")]
