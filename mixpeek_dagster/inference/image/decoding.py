"""Image files as RGB pixels, and as the pixels that a model takes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mixpeek_dagster.errors import InvalidRequest, StepError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]

_DRAFT = 4
"""A JPEG is decoded at the smallest of its own scales that is this many times what the model takes.

At twice, vectors of detailed images differ visibly from those of a full decoding: cosine down to 0.993.
"""


def open_image(path: str, shortest: int | None = None, most_pixels: int | None = None) -> Image:
    """The first picture of a file, upright, as RGB.

    Args:
        path: an image file.
        shortest: shorter side that will be needed; a JPEG may then be decoded at 1/2, 1/4 or 1/8 of its size.
        most_pixels: pixels that it may have; none = what Pillow lets through.

    Raises:
        InvalidRequest: it is no image, damaged, or has too many pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if most_pixels is not None and image.width * image.height > most_pixels:
                why = f"it has {image.width} x {image.height} pixels, more than {most_pixels:,}"
                raise InvalidRequest("the image", why=why, fix="Make it smaller")
            if shortest is not None and image.format == "JPEG":
                _decode_smaller(image, shortest)
            return _as_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise InvalidRequest("the file", why="it is not an image that can be read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidRequest("the image", why=str(error), fix="Make it smaller") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise InvalidRequest("the image", why=f"it is damaged: {error}") from None


def _decode_smaller(image: Image, shortest: int) -> None:
    factor = shortest * _DRAFT / min(image.size)
    if factor < 1:
        image.draft("RGB", (round(image.width * factor), round(image.height * factor)))


def _as_rgb(image: Image) -> Image:
    from PIL import Image

    if image.mode.startswith("I"):
        # Pillow would cut 16 bits off at 255.
        return Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise InvalidRequest("the image", why="its pixels are floating-point", fix="Save it with 8 or 16 bits")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    return image.convert("RGB")


@dataclass(frozen=True)
class Preprocessing:
    """What an image processor of transformers does to an image, on whole batches and with less copying.

    Args:
        size: height and width that images get; None if `shortest` says it.
        shortest: length that the shorter side gets.
        crop: height and width that are cut out of the middle; None = all.
        resample: Pillow's number of the filter.
        scale: what pixel values are multiplied by.
        mean: subtracted per channel, after scaling.
        std: divided by, per channel.
    """

    size: tuple[int, int] | None
    shortest: int | None
    crop: tuple[int, int] | None
    resample: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, processor: Any) -> Preprocessing:
        """What this image processor does.

        Raises:
            StepError: it does something that is not known here.
        """
        size = {name: value for name, value in dict(processor.size).items() if value is not None}
        if not processor.do_resize or set(size) not in ({"height", "width"}, {"shortest_edge"}) or processor.do_pad:
            raise StepError(type(processor).__name__, why=f"images of size {size} are not supported here")
        crop = dict(processor.crop_size) if processor.do_center_crop else None
        channels = 3
        return cls(
            size=(size["height"], size["width"]) if "height" in size else None,
            shortest=size.get("shortest_edge"),
            crop=(crop["height"], crop["width"]) if crop else None,
            resample=int(processor.resample),
            scale=float(processor.rescale_factor) if processor.do_rescale else 1.0,
            mean=tuple(processor.image_mean) if processor.do_normalize else (0.0,) * channels,
            std=tuple(processor.image_std) if processor.do_normalize else (1.0,) * channels,
        )

    @property
    def shorter_side(self) -> int:
        """Pixels of the shorter side of what images are resized to; the larger of the two where that is fixed."""
        return self.shortest or max(self.size or (0, 0))

    def prepare(self, image: Image) -> Pixels:
        """An RGB image at the model's size: (height, width, 3)."""
        from PIL import Image

        image = image.resize(self._resized(image.width, image.height), resample=Image.Resampling(self.resample))
        if self.crop:
            height, width = self.crop
            left, top = (image.width - width) // 2, (image.height - height) // 2
            image = image.crop((left, top, left + width, top + height))
        return np.asarray(image)

    def to_tensor(self, pixels: Pixels, device: str, dtype: Any) -> Any:
        """Prepared images, (n, height, width, 3), as the model's input, (n, 3, height, width)."""
        import torch

        shape = (1, -1, 1, 1)
        values = torch.from_numpy(pixels).to(device, non_blocking=True).permute(0, 3, 1, 2).float()
        mean, std = (torch.tensor(each, device=device).view(shape) for each in (self.mean, self.std))
        return values.mul_(self.scale).sub_(mean).div_(std).to(dtype)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.size:
            return self.size[1], self.size[0]
        assert self.shortest is not None
        longer = int(self.shortest * max(width, height) / min(width, height))
        return (self.shortest, longer) if width <= height else (longer, self.shortest)
