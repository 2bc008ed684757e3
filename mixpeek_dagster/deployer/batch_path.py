"""What a plugin's batch path makes of a sample: `python -m mixpeek_dagster.deployer.batch_path FOLDER RESULT`.

The plugin's code runs in this process, with the same surroundings as its endpoint, and never in the deployer's.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mixpeek_dagster.errors import MixpeekError, StepError
from mixpeek_dagster.models.cache import use_cache
from mixpeek_dagster.models.hub import answer_from_store
from mixpeek_dagster.plugins.loading import load_plugin
from mixpeek_dagster.plugins.pipeline import Step
from mixpeek_dagster.plugins.spec import PluginSpec
from mixpeek_dagster.rows import columns
from mixpeek_dagster.rows.missing import is_missing
from mixpeek_dagster.rows.select import map_inputs
from mixpeek_dagster.rows.state import begin
from mixpeek_dagster.settings import Settings
from mixpeek_dagster.steps.runner import ChunkRunner

_TEXT = "Boats leave the small harbour before sunrise and come back at noon with fish and news."
_SIDE = 256


@dataclass(frozen=True)
class Sample:
    """One blob for both paths.

    Args:
        blob: type, MIME type and `data` as the batch path gets them.
        inputs: the same, as realtime code gets it.
    """

    blob: Mapping[str, Any]
    inputs: Mapping[str, Any]


def sample_for(spec: PluginSpec, folder: Path) -> Sample | None:
    """A sample of a type that a plugin takes; None if there is none to give it.

    Args:
        folder: where files of it may be put.
    """
    types = spec.supported_input_types
    if not types or "text" in types or "document" in types:
        named = {name: _TEXT for name, field in spec.input_fields.items() if field.type == "string"}
        blob = {"blob_type": "text", "mime_type": "text/plain", "data": _TEXT, "size_bytes": len(_TEXT)}
        return Sample(blob, {**named, "text": _TEXT})
    if "image" in types:
        content = _picture()
        path = folder / "sample.png"
        path.write_bytes(content)
        blob = {"blob_type": "image", "mime_type": "image/png", "data": str(path), "size_bytes": len(content)}
        url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        named = {name: url for name, field in spec.input_fields.items() if field.type == "string"}
        return Sample(blob, {**named, "image": url})
    return None


def batch_vectors(folder: Path, parameters: Mapping[str, Any], work: Path) -> dict[str, Any]:
    """Inputs for the realtime path, and the vectors that the batch path makes of the same sample, JSON-ready.

    Returns:
        `inputs` (None if there is no sample for this plugin) and `vectors` by feature.

    Raises:
        MixpeekError: the plugin's code does not run, or makes nothing of the sample.
    """
    plugin = load_plugin(folder)
    spec = plugin.spec
    sample = sample_for(spec, work)
    if sample is None:
        return {"inputs": None, "vectors": {}}
    built = plugin.build_steps(plugin.request(parameters, collection_id="probe"), dataset_size=1)
    vectors = frozenset(feature.name for feature in spec.features)
    frame = map_inputs(_row(sample, spec), spec.input_fields, {})
    for step in built.steps:
        frame = _through(step, frame, vectors, spec)
    return {"inputs": dict(sample.inputs), "vectors": _vectors(frame, vectors)}


def _row(sample: Sample, spec: PluginSpec) -> pd.DataFrame:
    row: dict[str, Any] = dict.fromkeys((*columns.VISIBLE, *columns.SOURCE))
    row |= {"document_id": "doc_probe", "object_id": "obj_probe", "blob_id": "blob_probe", "blob_property": "content"}
    row |= {"collection_id": "probe", "feature_extractor_id": spec.plugin_id, "object_key": "sample", "properties": {}}
    return begin(pd.DataFrame([row | dict(sample.blob)]))


def _through(step: Step, frame: pd.DataFrame, vectors: frozenset[str], spec: PluginSpec) -> pd.DataFrame:
    with ExitStack() as stack:
        runner = stack.enter_context(ChunkRunner(step, 1, vectors, spec.position_fields))
        out, _ = runner.run(frame, None)
    return out


def _vectors(frame: pd.DataFrame, names: frozenset[str]) -> dict[str, list[float]]:
    failed = frame[frame[columns.MESSAGE].notna()]
    found = {
        name: [float(number) for number in np.asarray(values[0]).ravel()]
        for name in sorted(names.intersection(frame.columns))
        if (values := [cell for cell in frame[name] if not is_missing(cell)])
    }
    if names and not found:
        why = str(failed[columns.MESSAGE].iloc[0]) if len(failed) else "no step wrote a vector"
        raise StepError("sample", why=f"nothing was made of it: {why}")
    return found


def _picture() -> bytes:
    from PIL import Image

    side = np.linspace(0, 255, _SIDE)
    red, green = np.meshgrid(side, side)
    image = Image.fromarray(np.stack([red, green, 255 - red], axis=-1).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def main() -> None:
    """Write the result, or what went wrong, to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--parameters", type=json.loads, default={})
    options = parser.parse_args()
    settings = Settings.load()
    use_cache(settings.models_path, settings.models_folder)
    answer_from_store()
    with tempfile.TemporaryDirectory() as work:
        try:
            result = batch_vectors(options.folder, options.parameters, Path(work))
        except MixpeekError as error:
            result = {"problem": error.sentence()}
    options.result.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
