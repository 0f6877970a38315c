"""Makes mammograms: made-up ones for the rules, and DICOM files that are measured and put into the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.features.mammogram_pairs.views import Mammogram
from miqa_node.runtime.store.database import Database
from miqa_node.runtime.store.object_keys import original_key
from miqa_node.stages.units.rows import instances
from tests.runtime.store.making import digest, header, received
from tests.stages.measure.frames.making import STUDY, Image, measured, write

FIRST_AT = datetime(2026, 3, 2, 8)  # noqa: DTZ001 - a scanner's clock has no zone
ROWS, COLUMNS, PITCH_MM = 600, 400, 0.4
VIEWS = ("R CC", "L CC", "R MLO", "L MLO")


def mammogram(view: str, number: int = 0, numbers: Mapping[str, float] | None = None, **fields: Any) -> Mammogram:
    """Image ``number`` of a study, made that many minutes after the first; without ``numbers`` not measured yet."""
    side, _, projection = view.partition(" ")
    own = {
        "modality": "MG",
        "body_part_examined": "BREAST",
        "view_position": projection,
        "image_laterality": side,
        "acquired_at": FIRST_AT + timedelta(minutes=number),
        "is_acquired_at": True,
        "has_pixels": True,
        "view_modifier": "",
        "number_of_frames": 1,
    }
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    return Mammogram(digest(f"mammogram {number}"), header(number, **{**own, **fields}), at, numbers)


def breast(reach_px: int, *, muscle: bool) -> Image:
    """Half an ellipse at the left, with noise; with ``muscle`` a bright triangle at the top."""
    image = np.full((ROWS, COLUMNS), 200.0)
    cv2.ellipse(image, (0, 300), (reach_px, 220), 0, 0, 360, 1800.0, -1)
    if muscle:
        image[:60, :250] = np.maximum(image[:60, :250], 1800.0)
        cv2.fillPoly(image, [np.array([[0, 0], [150, 0], [0, 300]])], 2800.0)
    return np.asarray(image + np.random.default_rng(3).normal(0, 20, image.shape))


def modifier(code: str, meaning: str, scheme: str = "SCT") -> Sequence:
    """View Code Sequence of a craniocaudal view with one modifier."""
    view, inner = Dataset(), Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "399162004", "SCT", "cranio-caudal"
    inner.CodeValue, inner.CodingSchemeDesignator, inner.CodeMeaning = code, scheme, meaning
    view.ViewModifierCodeSequence = Sequence([inner])
    return Sequence([view])


def mammogram_file(folder: Path, number: int, view: str, reach_px: int = 250, **elements: Any) -> Path:
    """A mammogram of a detector; ``elements`` are further ones, None leaves one out."""
    side, _, projection = view.partition(" ")

    def change(dataset: Dataset) -> None:
        values = {
            "ViewPosition": projection,
            "ImageLaterality": side,
            "PatientOrientation": ["A", "R"],
            "ImagerPixelSpacing": [PITCH_MM, PITCH_MM],
            "CompressionForce": "95",
            "BodyPartThickness": "52",
            "Exposure": "80",
            "OrganDose": "0.0132",
            "AcquisitionDate": "20260302",
            "AcquisitionTime": f"0800{number:02d}",
            "StationName": "MAMMO1",
            **elements,
        }
        for name, value in values.items():
            if value is not None:
                setattr(dataset, name, value)

    image = breast(reach_px, muscle=projection == "MLO")
    return write(folder / f"{number}.dcm", "MG", [image], change, bits=12)


def store(database: Database, path: Path) -> InstanceDigest:
    """Read its header, measure it, and leave the result as the pipeline does."""
    made, record = read_header(path)
    of, now = digest(path.read_bytes()), datetime.now(UTC)
    assessment = Assessment(of, made, now, measurements=tuple(measured(path).values()), not_assessed="No model.")
    with database.begin() as transaction:
        instances.record(transaction, made, record, received(of, now), original_key(of))
        instances.save_assessment(transaction, assessment)
        verdict = Disposition(Verdict.NOT_ASSESSED, (), "1", "")
        instances.save_disposition(transaction, of, made.study_instance_uid, verdict, now)
    return of


__all__ = ["FIRST_AT", "STUDY", "VIEWS", "mammogram", "mammogram_file", "modifier", "store"]
