"""torchvision's MobileNetV2 weights as a transformers model folder."""

from __future__ import annotations

from pathlib import Path

from mixpeek_dagster.errors import NotFound

_WEIGHTS = Path("weights") / "mobilenet_v2-b0353104.pth"
_IMAGENET_MEAN = [0.485, 0.456, 0.406]
_IMAGENET_STD = [0.229, 0.224, 0.225]


def convert_mobilenet(package: Path, target: Path) -> None:
    """Write config, weights and image processor of MobileNetV2 (ImageNet-1k, 1,280 features).

    Both implementations list the same tensors in the same order under other names; every shape is held against its
    counterpart, so that a change in either fails here and not in the embeddings.

    Raises:
        NotFound: the package does not hold the weights, or they are of another shape.
    """
    import torch
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification
    from transformers.models.mobilenet_v2.image_processing_pil_mobilenet_v2 import MobileNetV2ImageProcessorPil

    source = torch.load(package / _WEIGHTS, map_location="cpu", weights_only=True)
    config = MobileNetV2Config(tf_padding=False, layer_norm_eps=1e-5, hidden_act="relu6")
    config.num_labels = 1000
    model = MobileNetV2ForImageClassification(config)
    wanted = model.state_dict()
    pairs = list(zip(wanted.items(), source.values(), strict=False))
    if len(wanted) != len(source) or any(mine.shape != theirs.shape for (_, mine), theirs in pairs):
        raise NotFound("MobileNetV2 weights", why=f"{_WEIGHTS} does not fit this version of transformers")
    model.load_state_dict({name: theirs for (name, _), theirs in pairs}, strict=True)
    model.save_pretrained(target)
    MobileNetV2ImageProcessorPil(
        size={"shortest_edge": 256},
        crop_size={"height": 224, "width": 224},
        image_mean=_IMAGENET_MEAN,
        image_std=_IMAGENET_STD,
    ).save_pretrained(target)
