"""The job server of a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mixpeek_dagster.errors import SettingsError, StoreUnavailable
from mixpeek_dagster.steps.ray.connection import TOKEN_FIX

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient


def job_client(address: str) -> JobSubmissionClient:
    """A client of the job server at an `http(s)://host:8265` address.

    Raises:
        StoreUnavailable: it does not answer.
        SettingsError: it wants a token that this process does not have.
    """
    from ray.job_submission import JobSubmissionClient

    try:
        return JobSubmissionClient(address)
    except (ConnectionError, RuntimeError) as error:
        why = " ".join(str(error).split())[:300]
        if "authent" in why.lower() or "token" in why.lower():
            raise SettingsError(f"Ray cluster {address}", why=why, fix=TOKEN_FIX) from None
        raise StoreUnavailable(f"Ray cluster {address}", why=why, fix="Start it") from None
