"""Contact sheets of the simulators by severity, made from the public chest radiograph of pydicom-data.

``python -m miqa_training.degrade.sheet docs/assets/simulators`` writes them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.taxonomy.lookup import defect_names
from miqa_training.degrade import Image, degrade, gate
from miqa_training.degrade.physics import SEVERITY_KNOTS

FIELD_MM = 368.0
"""Width of the collimated field of the sample (Collimator edges -184 to 184 mm in its header)."""
ZOOMED_MM = 48.0
"""Side of the detail view for defects too fine for the whole image."""
FINE = frozenset(
    (FindingName.MOTION_BLUR, FindingName.UNSHARP, FindingName.NOISE, FindingName.GRID_ARTIFACT,
     FindingName.CONTRAST_PROCESSING)
)  # fmt: skip
WHOLE = (3, 1)
"""Draws of fine defects that are shown as whole images."""
TILE_PX = 250
USUAL_SEEDS = (3, 8, 11)
SEEDS = {
    FindingName.FOREIGN_OBJECT: (5, 9, 3, 25, 2, 1, 0, 4, 82),
    FindingName.DEVICE_IN_VIEW: (1, 4, 3, 25, 2),
    FindingName.DETECTOR_OVERLAY_ARTIFACT: (3, 2, 18, 1, 0, 5, 4),
    FindingName.CONTRAST_PROCESSING: (11, 12, 8, 0, 15, 5, 9),
}
"""Draws that show every kind, in the order of docs/explanation/simulators.md."""


def write_sheets(folder: Path) -> list[Path]:
    """Write one picture per finding: draws (rows) by severity 0 to 1 (columns); return the paths."""
    image = public_chest()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for finding in defect_names():
        path = folder / f"{finding}.jpg"
        _save(path, [_row(image, finding, seed) for seed in SEEDS.get(finding, USUAL_SEEDS)])
        written.append(path)
    path = folder / "gate.jpg"
    _save(path, _gate_rows(image))
    return [*written, path]


def public_chest(long_side_px: int | None = None) -> Image:
    """The sample RG1 of pydicom-data as :func:`sample_chest`, resized on request."""
    import data_store  # noqa: PLC0415 - only sheets and goldens need DICOM and the sample
    import pydicom  # noqa: PLC0415

    chest = sample_chest(pydicom.dcmread(Path(data_store.__file__).parent / "data" / "RG1_UNCR.dcm").pixel_array)
    if long_side_px is None:
        return chest
    scale = long_side_px / max(chest.shape)
    return cast("Image", cv2.resize(chest, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def sample_chest(stored: np.ndarray) -> Image:
    """Display values of RG1: MONOCHROME1, window 15,000 wide 30,000, stretched to the range of the image."""
    low, high = np.percentile(stored, (0.05, 99.9))
    return cast("Image", np.clip((high - stored.astype(np.float32)) / np.float32(high - low), 0, 1).astype(np.float32))


def _row(image: Image, finding: FindingName, seed: int) -> Image:
    fine = finding in FINE
    work = image if fine else cast("Image", cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    pitch_mm = FIELD_MM / work.shape[1]
    tiles = []
    for severity in SEVERITY_KNOTS:
        changed = degrade(work, finding, severity, np.random.default_rng(seed), pitch_mm)
        if fine and seed not in WHOLE:
            side = round(ZOOMED_MM / pitch_mm)
            top, left = round(changed.shape[0] * 0.42), round(changed.shape[1] * 0.56)
            changed = np.ascontiguousarray(changed[top : top + side, left : left + side])
        tiles.append(_tile(changed))
    return np.hstack(tiles)


def _gate_rows(image: Image) -> list[Image]:
    small = cast("Image", cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    shape = (small.shape[0], small.shape[1])
    rng = np.random.default_rng(5)
    first = [gate.inverted(small), *(gate.not_frontal_chest(small, rng) for _ in range(4))]
    second = [gate.phantom(shape, rng) for _ in range(5)]
    third = [gate.blank(shape, rng) for _ in range(5)]
    return [np.hstack([_tile(tile) for tile in row]) for row in (first, second, third)]


def _tile(image: Image) -> Image:
    height = round(TILE_PX * image.shape[0] / image.shape[1])
    shrinking = image.shape[1] > TILE_PX
    tile = cv2.resize(image, (TILE_PX, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC)
    return cast("Image", cv2.copyMakeBorder(tile, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0.5))


def _save(path: Path, rows: list[Image]) -> None:
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows]
    picture = np.rint(np.clip(np.vstack(padded), 0, 1) * 255).astype(np.uint8)
    if not cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 82]):
        msg = f"cannot write {path}"
        raise OSError(msg)


if __name__ == "__main__":
    for written_path in write_sheets(Path(sys.argv[1])):
        sys.stdout.write(f"{written_path} {written_path.stat().st_size}\n")
