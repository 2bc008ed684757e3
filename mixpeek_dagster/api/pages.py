"""Lists in pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, Field


class Page(BaseModel):
    """Which part of a list is wanted."""

    limit: int
    offset: int
    include_total: bool


class Pagination(BaseModel):
    """Which part of a list this is."""

    total: int | None = Field(None, description="All there are; only with include_total.")
    page: int = Field(description="Number of this page, from 1.", examples=[1])
    page_size: int = Field(description="Most results on a page.", examples=[100])
    total_pages: int | None = None
    next_page: int | None = Field(None, description="Number of the next page, if there is one.")
    previous_page: int | None = None


def page(
    limit: Annotated[int, Query(ge=1, le=1000, description="Most results.")] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000, description="Results to skip.")] = 0,
    include_total: Annotated[bool, Query(description="Also count all.")] = False,
) -> Page:
    """The page that the query asks for."""
    return Page(limit=limit, offset=offset, include_total=include_total)


WantedPage = Annotated[Page, Depends(page)]


def pagination(wanted: Page, found: int, total: int | None) -> Pagination:
    """Where a page stands.

    Args:
        found: results read with `limit` one higher than wanted, so that a next page shows.
    """
    number = wanted.offset // wanted.limit + 1
    return Pagination(
        total=total,
        page=number,
        page_size=wanted.limit,
        total_pages=None if total is None else -(-total // wanted.limit),
        next_page=number + 1 if found > wanted.limit else None,
        previous_page=number - 1 if number > 1 else None,
    )
