"""What `s3://` URLs name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpeek_dagster.errors import InvalidRequest
from mixpeek_dagster.s3_url import S3Url


@given(st.from_regex(r"[a-z0-9.-]{3,63}", fullmatch=True), st.text())
def test_what_is_written_is_read_again(bucket: str, key: str) -> None:
    assert S3Url.parse(str(S3Url(bucket, key))) == (bucket, key)


@pytest.mark.parametrize("url", ["", "s3://", "s3:///key", "http://bucket/key", "bucket/key", "S3://bucket/key"])
def test_what_names_no_place_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="names no place in S3"):
        S3Url.parse(url)
