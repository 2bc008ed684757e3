"""The one settings class: every backend is a URL, every value a `MIXPEEK_*` variable."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableVariable

from mixpeek_dagster.errors import SettingsError
from mixpeek_dagster.s3_url import SCHEME, is_s3


def _require_bucket(place: str) -> str:
    if is_s3(place) and not place.removeprefix(SCHEME).strip("/"):
        raise ValueError("it names no bucket; write it as s3://bucket/prefix")
    return place


ModelsPlace = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, Path) else value),
    AfterValidator(_require_bucket),
]


class Reader(StrEnum):
    """A child process that reads settings of the process that starts it."""

    STORES = "stores"
    """One that opens the same stores; it is told how to sign in to them."""
    STEP_JOB = "step_job"
    """A job of a Ray cluster that runs a step. Ray shows its variables to everyone who may see the job, so it is told
    how steps run, and never where stores are or how to sign in to them: its node knows."""
    SERVICE = "service"
    """A realtime service, which runs a plugin's code."""


@dataclass(frozen=True)
class ReadBy:
    """A setting's mark: which child processes are told its value."""

    readers: frozenset[Reader]


_STORES = ReadBy(frozenset({Reader.STORES}))
_STEPS = ReadBy(frozenset({Reader.STEP_JOB}))
_SERVICES = ReadBy(frozenset({Reader.SERVICE}))
_STEPS_AND_SERVICES = ReadBy(frozenset({Reader.STEP_JOB, Reader.SERVICE}))
_ALL = ReadBy(frozenset(Reader))
_STORE_URLS = ("mongodb_url", "qdrant_url", "s3_url")


class ProviderLimits(BaseModel):
    """How the API of a provider may be called."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrency: int = Field(8, ge=1, le=256, description="Calls at a time, of all steps of a process.")
    per_second: int | None = Field(None, ge=1, description="Calls in a second, of all processes of a machine.")
    per_minute: int | None = Field(None, ge=1, description="Calls in a minute, of all processes of a machine.")
    tries: int = Field(4, ge=1, le=20, description="How often a call is tried when its failures may pass.")
    first_wait: float = Field(1.0, ge=0, le=3600, description="Seconds before the second try; doubled with each.")
    longest_wait: float = Field(60.0, ge=0, le=3600, description="Seconds before any try, also if the API asks more.")


class Settings(BaseSettings):
    """Where things are and how big they may get.

    A store whose URL is None is embedded: an owner process under `home` is found or started.
    """

    model_config = SettingsConfigDict(env_prefix="MIXPEEK_", extra="ignore", frozen=True)

    home: Annotated[Path, _STORES] = Field(
        Path(".mixpeek"), description="Folder of the embedded stores, runs and caches."
    )
    organization: Annotated[str, _ALL] = Field("local", description="Organization that owns the namespaces.")
    namespace: Annotated[str, _SERVICES] = Field("default", description="Namespace used when a command names none.")

    mongodb_url: Annotated[str | None, _STORES] = Field(None, description="mongodb:// URL; none = embedded.")
    mongodb_database: Annotated[str, _STORES] = Field("mixpeek", description="Database that holds the catalog.")
    qdrant_url: Annotated[str | None, _STORES] = Field(
        None, description="http(s):// URL of a Qdrant server; none = embedded."
    )
    qdrant_api_key: Annotated[SecretStr | None, _STORES] = Field(None, description="API key of the Qdrant server.")
    qdrant_timeout: Annotated[int, _STORES] = Field(60, ge=1, description="Seconds to wait for one Qdrant reply.")
    s3_url: Annotated[str | None, _STORES] = Field(
        None, description="Endpoint of an S3 server; none = embedded. 'aws' = AWS itself."
    )
    s3_access_key_id: Annotated[SecretStr | None, _STORES] = Field(
        None, description="S3 access key; none = the environment's."
    )
    s3_secret_access_key: Annotated[SecretStr | None, _STORES] = Field(None, description="S3 secret key.")
    s3_region: Annotated[str, _STORES] = Field("us-east-1", description="S3 region.")
    s3_bucket: Annotated[str, _STORES] = Field("mixpeek", description="S3 bucket for objects and artifacts.")
    sqs_url: Annotated[str | None, _STORES] = Field(
        None, description="Endpoint of an SQS server for S3 events; none = AWS itself."
    )

    models: Annotated[ModelsPlace | None, _STORES] = Field(
        None, description="Folder with models, or s3://bucket/prefix laid out as org/name; none = <home>/models."
    )
    model_bytes: int = Field(5 * 2**30, ge=1, description="Largest model that is uploaded to a namespace.")
    model_files: int = Field(1000, ge=1, description="Most files in an uploaded model's archive.")
    plugin_packed_bytes: int = Field(500 * 2**20, ge=1, description="Largest plugin archive.")
    plugin_unpacked_bytes: int = Field(500 * 2**20, ge=1, description="Largest plugin when unpacked.")
    plugin_files: int = Field(1000, ge=1, description="Most files in a plugin archive.")

    ray_address: Annotated[str | None, _STEPS] = Field(
        None,
        description="Ray cluster; http(s)://host:8265: each step is a job there; host:6379: this machine is one of its "
        "nodes, and steps are driven from this process; none: steps run in this process.",
    )
    ray_workers: Annotated[int | None, _STEPS] = Field(
        None, ge=1, description="Most workers of a step; none = as many as the cluster has room for when it starts."
    )
    ray_step_cpus: Annotated[float | None, _STEPS] = Field(
        None, gt=0, description="CPUs of a step's worker; none = 1, or up to 4 for built-in services."
    )
    ray_step_gpus: Annotated[float, _STEPS] = Field(
        1.0, gt=0, description="GPUs, or the part of one, of a GPU step's worker."
    )
    gpu_steps_on_cpu: Annotated[bool, _STEPS] = Field(False, description="Run GPU steps as CPU steps on a Ray cluster.")
    batch_size: Annotated[int, _STEPS] = Field(64, ge=1, description="Rows a processor sees at a time.")
    chunk_rows: Annotated[int, _STEPS] = Field(1024, ge=1, description="Rows held in memory at a time.")
    upsert_batch: Annotated[int, _STEPS] = Field(256, ge=1, description="Points sent to Qdrant in one request.")
    max_text_bytes: Annotated[int, _STEPS] = Field(16 * 2**20, ge=1, description="Largest text file read into a row.")
    max_asset_bytes: Annotated[int, _STEPS_AND_SERVICES] = Field(
        5 * 2**30, ge=1, description="Largest file that a step fetches from S3 or the web."
    )
    asset_cache_bytes: Annotated[int, _STEPS] = Field(
        4 * 2**30, ge=0, description="Files that a run keeps on disk for its steps."
    )
    private_assets: Annotated[bool, _ALL] = Field(
        False, description="Let steps fetch http(s) URLs of private addresses, too."
    )

    api_limits: Annotated[dict[str, ProviderLimits], _STEPS] = Field(
        {}, description="How API steps may call each provider; 'default' = those that are not named."
    )

    api_url: str | None = Field(None, description="REST API that the command talks to; none = works on the stores.")
    api_key: SecretStr | None = Field(None, description="API key that the command sends.")
    api_port: int = Field(8000, description="Port of the REST API; the next free one if taken.")
    inference_url: str | None = Field(None, description="Realtime gateway that the API calls; none = of `mixpeek up`.")
    dagster_url: str | None = Field(None, description="Dagster UI to reload; none = the one of `mixpeek up`.")
    dagster_port: int = Field(3000, description="Port of the Dagster UI; the next free one if taken.")
    inference_host: str = Field("127.0.0.1", description="Address that the gateway of the endpoints listens on.")
    inference_port: int = Field(8001, description="Port of the realtime endpoints; the next free one if taken.")
    inference_keys: bool | None = Field(
        None, description="Whether realtime endpoints need an API key; none = unless the gateway listens on loopback."
    )
    inference_body_bytes: Annotated[int, _SERVICES] = Field(
        32 * 2**20, ge=1, description="Largest request of a realtime endpoint."
    )
    inference_queue: Annotated[int, _SERVICES] = Field(1024, ge=1, description="Inputs that may wait in one service.")
    inference_concurrency: Annotated[int, _SERVICES] = Field(
        16, ge=1, description="Calls of a plugin's realtime code at a time."
    )
    inference_seconds: Annotated[float, _SERVICES] = Field(60.0, gt=0, description="Longest time for one request.")
    inference_start_seconds: float = Field(180.0, gt=0, description="Longest time for a service to load.")
    inference_threads: Annotated[int | None, _SERVICES] = Field(
        None, ge=1, description="Threads of a service's models; none = all cores."
    )
    inference_memory_bytes: int | None = Field(
        None, ge=1, description="A service that holds more memory of its own is started anew; none = no limit."
    )
    inference_idle_seconds: float | None = Field(
        None, gt=0, description="A service without requests for so long is parked until the next one; none = never."
    )

    @classmethod
    def load(cls) -> Settings:
        """Read the environment.

        Raises:
            SettingsError: naming each variable that is wrong and why.
        """
        try:
            return cls()
        except ValidationError as error:
            wrong = [_wrong(problem["loc"], problem["msg"]) for problem in error.errors()]
            raise SettingsError("settings", why="; ".join(wrong), fix="Correct these variables") from None
        except UnreadableVariable as error:
            _, name, _ = str(error).split('"', 2)
            raise SettingsError(variable(name), why=f"it is not JSON: {error.__cause__}") from None

    def limits_of(self, provider: str) -> ProviderLimits:
        """How a provider may be called."""
        return self.api_limits.get(provider) or self.api_limits.get("default") or ProviderLimits()

    def variables(self, reader: Reader) -> dict[str, str]:
        """The `MIXPEEK_*` variables of a child process: each setting that is marked for it and has a value.

        Secrets are in plain text: these are for a process's environment, nothing else.
        """
        values = {
            name: getattr(self, name) for name, field in type(self).model_fields.items() if _is_read(field, reader)
        }
        return {variable(name): _text(value) for name, value in values.items() if value is not None}

    @property
    def embedded_stores(self) -> list[str]:
        """Variables of the stores that have no URL: these are embedded."""
        return [variable(name) for name in _STORE_URLS if getattr(self, name) is None]

    @property
    def home_path(self) -> Path:
        """`home`, absolute and with `~` resolved."""
        return self.home.expanduser().absolute()

    @property
    def models_url(self) -> str | None:
        """The `s3://` prefix that models come from, without a slash at its end; None if they are in a folder."""
        return self.models.rstrip("/") if self.models is not None and is_s3(self.models) else None

    @property
    def models_folder(self) -> Path:
        """Folder where models lie as `org/name`; the cache if they come from S3."""
        own = self.home_path / "models"
        return own if self.models is None or self.models_url else Path(self.models).expanduser().absolute()

    @property
    def models_path(self) -> Path:
        """Folder of the Hugging Face cache that plugins load from: the models' folder, unless it is read-only."""
        folder = self.models_folder
        return self.home_path / "models" if folder.is_dir() and not os.access(folder, os.W_OK) else folder

    @property
    def namespace_models_path(self) -> Path:
        """Cache of models that were uploaded to namespaces."""
        return self.home_path / "namespace_models"

    @property
    def spool_path(self) -> Path:
        """Rows and assets of runs that are under way, or failed and may be taken up from where they stopped."""
        return self.home_path / "spool"

    @property
    def plugins_path(self) -> Path:
        """Cache of unpacked plugins."""
        return self.home_path / "plugins"

    @property
    def dagster_home(self) -> Path:
        """Where the Dagster instance keeps its `dagster.yaml` and storage."""
        return self.home_path / "dagster"


def variable(name: str) -> str:
    """The environment variable of a setting: `MIXPEEK_BATCH_SIZE` of `batch_size`."""
    return f"MIXPEEK_{name.upper()}"


def _is_read(field: FieldInfo, reader: Reader) -> bool:
    return any(isinstance(mark, ReadBy) and reader in mark.readers for mark in field.metadata)


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return json.dumps({name: limits.model_dump() for name, limits in value.items()})
    return str(value)


def _wrong(place: tuple[int | str, ...], why: str) -> str:
    name, *inside = map(str, place)
    return f"{variable(name)}: {'.'.join(inside)}{': ' if inside else ''}{why}"
