"""A user's mistake reaches Dagster as one clear failure, without a traceback."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from mixpeek_dagster.errors import MixpeekError


@contextmanager
def user_errors() -> Generator[None, None, None]:
    """Turn a `MixpeekError` into a `dg.Failure` that says what, why and what to do."""
    try:
        yield
    except MixpeekError as error:
        details = {name: dg.MetadataValue.text(str(value)) for name, value in error.to_dict().items()}
        raise dg.Failure(str(error), metadata=details, allow_retries=error.retryable) from None
