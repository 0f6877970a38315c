"""Writes the denoiser as a model package: graph with its card inside, card.yaml, goldens, MODEL_CARD.md."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.settings import Accelerator
from miqa_node.stages.assess.card import GRAPH_NAME
from miqa_node.stages.assess.enhance.card import Tiles
from miqa_node.stages.assess.enhance.denoiser import INPUT, NAME, OUTPUT, TiledGraph
from miqa_node.stages.assess.session import GraphSession
from miqa_training.datasets import DatasetRecord
from miqa_training.degrade import Image, degrade, gate
from miqa_training.degrade.sheet import FIELD_MM, public_chest
from miqa_training.denoiser.network import SPLIT, Denoiser, reach_px
from miqa_training.onnx_graph import write_graph
from miqa_training.package import SOP_CLASSES, sources_of
from miqa_training.seal import golden_pairs, seal

TILE_PX = 512
GOLDEN_LONG_SIDE_PX = 320
INTENDED_USE = (
    "Makes a copy of a projection radiograph with less quantum noise, for looking at beside the original. It replaces "
    "no image and no verdict of the node is based on its output."
)
NOT_FOR = (
    "replacing the original, or deleting it",
    "diagnosis from the copy alone",
    "making up for a dose that was too low",
    "CT, MR, ultrasound and other images that are no projection radiographs",
)
LIMITS = (
    "Noise was simulated on 8-bit images after unknown processing; no pair of real exposures at two doses was used.",
    "Only detail finer than about 16 pixels can change: a Gaussian of 3 pixels of the noise estimate stays.",
    "What cannot be told from noise, such as the finest trabeculae at an eighth of the dose, is smoothed with it.",
    (
        "On edges most of the noise stays, so that they keep their slope; weak edges lose more of it than the figures "
        "of clear ones say."
    ),
    "Images that were made smaller have texture in neighbouring pixels that looks like noise; little is gained there.",
    "The grain that images of some hospitals have of their own is removed as well, and with it what is as fine.",
    "Grid lines, dead pixels, compression blocks and the noise of stitched images were not taught.",
)


def export_denoiser(net: Denoiser, path: Path) -> float:
    """Write the graph for tiles of any even size; the largest difference from torch; ValueError above the tolerance."""
    image = torch.rand((1, 1, 96, 128), generator=torch.Generator().manual_seed(0))
    sides = {axis: SPLIT * torch.export.Dim(name, min=16, max=2048) for axis, name in ((2, "rows"), (3, "columns"))}
    examples = [(image,), (image[..., :64, :66],)]
    return write_graph(net.eval(), path, examples, [INPUT], [OUTPUT], dynamic_shapes=(sides,))


def denoiser_of(graph_file: Path) -> TiledGraph:
    """A graph that is not a package yet, run tile by tile as the node runs it."""
    session = GraphSession(graph_file, Accelerator.CPU, intra_op_threads=1, inter_op_threads=1)
    return TiledGraph(session, tiles(), NAME)


def tiles() -> Tiles:
    """The tiles into which the node cuts large images."""
    overlap = -(-reach_px() // SPLIT) * SPLIT
    return Tiles(size_px=TILE_PX, overlap_px=overlap, multiple_px=SPLIT)


def write_denoiser(
    graph_file: Path, folder: Path, records: Sequence[DatasetRecord], training: Mapping[str, Any],
    metrics: Mapping[str, Any],
    version: str,
) -> Path:  # fmt: skip
    """Write the folder ``denoiser-<version>``, with a copy of the graph file that has the card in its metadata."""
    (folder / "golden").mkdir(parents=True, exist_ok=True)
    names = _write_golden_images(folder / "golden")
    card = _card(records, training, metrics, version, names)
    shutil.copyfile(graph_file, folder / GRAPH_NAME)
    package = denoiser_of(folder / GRAPH_NAME)
    for name in names:
        stem = folder / "golden" / name
        values = [round(v, 6) for v in package.golden_values(Path(f"{stem}.png").read_bytes())]
        Path(f"{stem}.json").write_text(json.dumps({"denoised": values}) + "\n", encoding="utf-8")
    return seal(folder, card)


def _card(
    records: Sequence[DatasetRecord],
    training: Mapping[str, Any],
    metrics: Mapping[str, Any],
    version: str,
    names: list[str],
) -> dict[str, Any]:
    return {
        "task": "enhancement",
        "name": NAME,
        "version": version,
        "intended_use": INTENDED_USE,
        "not_for": list(NOT_FOR),
        "limits": list(LIMITS),
        "applicability": {
            "modality": [],
            "body_part": [],
            "view": [],
            "sop_class": list(SOP_CLASSES),
            "pixel_pitch_mm": {"min": 0.05, "max": 1.2},
        },
        "tiles": tiles().model_dump(mode="json"),
        "calibration": {},
        "training": {"data": sources_of(records), **training, "date": datetime.now(UTC).date().isoformat()},
        "metrics": dict(metrics),
        "golden": golden_pairs(names),
    }


def _write_golden_images(folder: Path) -> list[str]:
    """Four 8-bit PNGs: the public sample chest at full, quarter and eighth dose, and a noisy phantom."""
    chest = public_chest(GOLDEN_LONG_SIDE_PX)
    pitch_mm = FIELD_MM / chest.shape[1] / 4.0  # treated as a part of a detector's image

    def noisy(image: Image, severity: float, seed: int) -> Image:
        return degrade(image, FindingName.NOISE, severity, np.random.default_rng(seed), pitch_mm)

    images = {
        "chest": chest,
        "chest_quarter_dose": noisy(chest, 0.5, 3),
        "chest_eighth_dose": noisy(chest, 0.75, 4),
        "phantom": noisy(gate.phantom((240, 300), np.random.default_rng(5)), 0.5, 6),
    }
    for name, image in images.items():
        pixels = np.rint(image * 255).astype(np.uint8)
        if not cv2.imwrite(str(folder / f"{name}.png"), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
            msg = f"cannot write {folder / name}.png"
            raise OSError(msg)
    return list(images)
