"""Image embedding: what files may be like, what is computed, and what finds what."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skimage.data
import sklearn.datasets
import torch
from PIL import Image

from mixpeek_dagster.errors import StepError
from mixpeek_dagster.inference.image.decoding import Preprocessing, open_image
from mixpeek_dagster.inference.image.encoder import ImageEncoder
from mixpeek_dagster.inference.image.models import MobileNetV2, SiglipBasePatch16224
from mixpeek_dagster.models.loading import LoadedModel, ModelRequest, load_model

CHINA = Path(sklearn.datasets.__file__).parent / "images" / "china.jpg"
SIGLIP = "google/siglip-base-patch16-224"


def pictures() -> dict[str, Image.Image]:
    arrays = {name: getattr(skimage.data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")}
    return {"china": Image.open(CHINA), **{name: Image.fromarray(array) for name, array in arrays.items()}}


@pytest.fixture(scope="module")
def service() -> MobileNetV2:
    return MobileNetV2()


def mobilenet() -> LoadedModel:
    return load_model(ModelRequest("torchvision/mobilenet_v2", "AutoModel", "AutoImageProcessor", "float32"))


def saved(folder: Path, image: Image.Image, name: str, **options: Any) -> str:
    path = folder / name
    image.save(path, **options)
    return str(path)


def embed(service: MobileNetV2 | SiglipBasePatch16224, *paths: str) -> np.ndarray:
    return np.stack(service(pd.DataFrame({"data": paths}))["embedding"].tolist())


def plainly(image: Image.Image) -> np.ndarray:
    """A vector as a plain loop makes it."""
    loaded = mobilenet()
    pixels = loaded.tokenizer(images=image.convert("RGB"), return_tensors="pt")
    with torch.inference_mode():
        vector = loaded.model(**pixels).pooler_output[0].numpy()
    return np.asarray(vector / np.linalg.norm(vector))


@pytest.mark.parametrize("model_id", [SIGLIP, "torchvision/mobilenet_v2"])
def test_preprocessing_gives_what_the_processor_gives(model_id: str) -> None:
    kind = "AutoProcessor" if model_id == SIGLIP else "AutoImageProcessor"
    processor = load_model(ModelRequest(model_id, "AutoModel", kind, "float32")).tokenizer
    processor = getattr(processor, "image_processor", processor)
    ours = Preprocessing.of(processor)
    images = [image.convert("RGB") for image in pictures().values()]
    images += [images[0].resize((301, 77)), images[0].resize((50, 231)), images[0].resize((224, 224))]
    theirs = processor(images=images, return_tensors="pt")["pixel_values"]
    mine = ours.to_tensor(np.stack([ours.prepare(image) for image in images]), "cpu", torch.float32)
    assert torch.allclose(mine, theirs, atol=1e-5)


def test_a_processor_that_pads_is_not_guessed_at() -> None:
    processor = mobilenet().tokenizer
    changed = type(processor)(**{**processor.to_dict(), "size": {"longest_edge": 512}})
    with pytest.raises(StepError, match="longest_edge"):
        Preprocessing.of(changed)


def test_vectors_are_those_of_a_plain_loop(service: MobileNetV2, tmp_path: Path) -> None:
    images = pictures()
    paths = [saved(tmp_path, image, f"{name}.jpg", quality=92) for name, image in images.items()]
    large = Image.open(CHINA).resize((2560, 1708), Image.Resampling.LANCZOS)
    paths.append(saved(tmp_path, large, "large.jpg"))
    found = embed(service, *paths)
    assert found.dtype == np.float32
    assert found.shape == (6, 1280)
    for path, vector in zip(paths, found, strict=True):
        assert vector @ plainly(Image.open(path)) >= 0.999


def test_a_changed_copy_finds_its_original(service: MobileNetV2, tmp_path: Path) -> None:
    images = {name: image.convert("RGB") for name, image in pictures().items()}
    originals = embed(service, *(saved(tmp_path, image, f"{name}.png") for name, image in images.items()))
    flipped = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in images.values()]
    cut = [image.crop((10, 10, image.width - 20, image.height - 15)) for image in flipped]
    copies = embed(service, *(saved(tmp_path, image, f"copy{n}.jpg") for n, image in enumerate(cut)))
    assert (copies @ originals.T).argmax(axis=1).tolist() == list(range(len(images)))


def test_a_turned_photo_is_turned_back(service: MobileNetV2, tmp_path: Path) -> None:
    upright = Image.open(CHINA)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(tmp_path, upright.transpose(Image.Transpose.ROTATE_90), "turned.jpg", exif=exif, quality=95)
    (vector,) = embed(service, turned)
    assert vector @ plainly(upright) > 0.98


def test_every_kind_of_pixels_is_read(service: MobileNetV2, tmp_path: Path) -> None:
    image = Image.open(CHINA)
    frames = [image.convert("P"), Image.new("P", image.size)]
    grey16 = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    paths = [
        saved(tmp_path, image.convert("RGBA"), "rgba.png"),
        saved(tmp_path, image.convert("CMYK"), "cmyk.jpg", quality=95),
        saved(tmp_path, image.convert("P"), "palette.png", transparency=b"\x00" * 4),
        saved(tmp_path, frames[0], "moving.gif", save_all=True, append_images=frames[1:]),
        saved(tmp_path, grey16, "grey16.png"),
        saved(tmp_path, image.convert("L"), "grey.png"),
    ]
    found = embed(service, *paths)
    original = plainly(image)
    assert (found[:4] @ original > 0.9).all()
    assert found[4] @ found[5] > 0.9999


def bomb() -> bytes:
    """A PNG that says it is far larger than it is."""
    out = io.BytesIO()
    Image.new("L", (1, 1)).save(out, "PNG")
    data = bytearray(out.getvalue())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def test_a_file_that_is_no_whole_image_fails_its_row_alone(service: MobileNetV2, tmp_path: Path) -> None:
    files = {
        "cut.jpg": CHINA.read_bytes()[:20_000],
        "text.jpg": b"not an image",
        "empty.png": b"",
        "bomb.png": bomb(),
        "good.jpg": CHINA.read_bytes(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    sources = [str(tmp_path / name) for name in files] + [None, 7, str(tmp_path / "gone.jpg")]
    cells = service(pd.DataFrame({"data": pd.Series(sources, dtype=object)}))["embedding"]
    errors = {place: str(error) for place, error in service.row_errors.items()}
    service.row_errors.clear()
    assert sorted(errors) == [0, 1, 2, 3, 5, 6, 7]
    assert [place for place, cell in enumerate(cells) if cell is not None] == [4]
    assert "damaged" in errors[0]
    assert "not an image" in errors[1]
    assert "decompression bomb" in errors[3]
    assert "missing" in errors[5]
    assert "holds a int" in errors[6]
    assert "gone.jpg" in errors[7]


def test_a_jpeg_is_decoded_no_larger_than_needed(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.open(CHINA).resize((3840, 2562)), "large.jpg")
    assert open_image(path).size == (3840, 2562)
    assert open_image(path, 224).size == (1920, 1281)


def test_texts_and_images_share_a_space(tmp_path: Path) -> None:
    service = SiglipBasePatch16224({"output_column_name": "embedding"})
    (image,) = embed(service, str(CHINA))
    texts = ["a palace", "rain over the sea " * 40]
    found = service.encoder.encode_texts(texts)
    assert found.vectors.shape == (2, 768)
    assert image.shape == (768,)
    assert found.dropped[0] == 0
    assert found.dropped[1] > 0
    loaded = load_model(ModelRequest(SIGLIP, "AutoModel", "AutoProcessor", "float32"))
    tokens = loaded.tokenizer.tokenizer(
        texts, padding="max_length", max_length=64, truncation=True, return_tensors="pt"
    )
    with torch.inference_mode():
        theirs = loaded.model.get_text_features(input_ids=tokens["input_ids"]).pooler_output
        pixels = loaded.tokenizer.image_processor(images=Image.open(CHINA), return_tensors="pt")
        seen = loaded.model.get_image_features(**pixels).pooler_output
    assert np.allclose(found.vectors, torch.nn.functional.normalize(theirs, dim=-1).numpy(), atol=1e-5)
    assert image @ torch.nn.functional.normalize(seen, dim=-1)[0].numpy() > 0.999


def test_a_model_of_images_alone_says_so(service: MobileNetV2) -> None:
    with pytest.raises(StepError, match="images only"):
        service.encoder.encode_texts(["a palace"])


class _Small(torch.nn.Module):
    """A model with memory for so many images."""

    dtype = torch.float32

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.seen: list[int] = []

    def forward(self, pixel_values: torch.Tensor) -> Any:
        if len(pixel_values) > self.most:
            raise torch.OutOfMemoryError("no room")
        self.seen.append(len(pixel_values))
        return type("Output", (), {"pooler_output": pixel_values.mean(dim=(2, 3))})


def test_a_group_that_does_not_fit_is_halved(service: MobileNetV2) -> None:
    from mixpeek_dagster.inference.devices import Device

    model = _Small(3)
    encoder = ImageEncoder(model, mobilenet().tokenizer, Device("cpu", "float32"))
    images = [Image.new("RGB", (300, 300), (n * 20, 255 - n * 20, 7)) for n in range(8)]
    found = encoder.encode_images(images)
    assert found.shape == (8, 3)
    assert sum(model.seen) == 8
    one_by_one = np.concatenate([encoder.encode_images([image]) for image in images])
    assert np.allclose(found, one_by_one, atol=1e-6)
