"""FastAPI and sentence-transformers, as one writes it first: `python fastapi_app.py PORT`.

`POST /embed` with `{"text": ...}` gives `{"embedding": [...]}`. The endpoint is a plain function, so FastAPI runs it in
its threads.
"""

# ruff: noqa: TID253
from __future__ import annotations

import os
import sys

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import SentenceTransformer

torch.set_num_threads(len(os.sched_getaffinity(0)))
model = SentenceTransformer("sentence-transformers/all-MiniLM-L6-v2", device="cpu")
app = FastAPI()


class Wanted(BaseModel):
    """A text."""

    text: str


@app.get("/ready")
def ready() -> bool:
    """Whether it answers."""
    return True


@app.post("/embed")
def embed(wanted: Wanted) -> dict[str, list[float]]:
    """Its vector."""
    return {"embedding": model.encode(wanted.text, show_progress_bar=False).tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
