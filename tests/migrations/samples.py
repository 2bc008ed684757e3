"""An image that compresses to nothing."""

from __future__ import annotations

import io

from PIL import Image


def image_bytes() -> bytes:
    """A red square as PNG."""
    sink = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(sink, "PNG")
    return sink.getvalue()
