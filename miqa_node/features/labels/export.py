"""Exports labels: a CSV for calibration and training, object annotations, COCO for other tools, and the images.

No exported file names a patient: images have new names, patients are keyed hashes, readers are pseudonyms.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from miqa_node import __version__
from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.label import LabelRecord, RegionOutline
from miqa_node.core.observe.progress import counted
from miqa_node.core.taxonomy.lookup import defect_names, finding_title, is_expected
from miqa_node.errors import MiqaError
from miqa_node.features.labels.annotations import choice, image_annotation, region_finding
from miqa_node.features.labels.rows.reviews import ExportImage
from miqa_node.stages.assess.labels import ACCEPTABLE, BAD, GOOD, TABLE_NAME, label_of

CSV_NAME, ALL_NAME, COCO_NAME, IMAGES = TABLE_NAME, "judgements.csv", "coco.json", "images"
OBJECTS_NAME = "annotations.jsonl"
NAME_CHARACTERS = 20
GOOD_ENOUGH = "It was called good enough, and nobody said whether the defect is there."

GONE = "The original is no longer kept here: retention or an erasure removed it."

WriteImage = Callable[[Path, Path], tuple[str, int, int]]
"""Writes the image of a stored object to a path without suffix; returns file name, width and height."""


@dataclass(slots=True)
class LabelExport:
    """The result of an export; ``left_out`` counts missing images by reason."""

    images: int = 0
    regions: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str) -> None:
        """Count an image that is missing."""
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


@dataclass(frozen=True, slots=True)
class Names:
    """New names for images, patients and people; the same key always gives the same names."""

    key: bytes

    def of(self, purpose: str, text: str) -> str:
        """A name that cannot be traced back without the key."""
        return hmac.new(self.key, f"export {purpose}\0{text}".encode(), hashlib.sha256).hexdigest()[:NAME_CHARACTERS]

    def reader(self, actor: str) -> str:
        """A reader's pseudonym."""
        return f"reader-{self.of('reader', actor)[:8]}"


def export_labels(
    images: Sequence[tuple[ExportImage, Path | None]],
    every: Sequence[LabelRecord],
    out: Path,
    names: Names,
    write: WriteImage | None,
) -> LabelExport:
    """Write labels and marks of images (with the file of each) below ``out``; without ``write`` no images are written.

    A label whose original is gone, and has no file, stays in the table, without an image. One that says only that an
    image is good enough is in no table, but objects that were marked on it are among the annotations.
    """
    out.mkdir(parents=True, exist_ok=True)
    done, rows, lines = LabelExport(), list[dict[str, Any]](), list[dict[str, Any]]()
    coco: dict[str, Any] = _coco_head()
    for one, source in counted(images, "Exporting"):
        label = _word_of(one)
        judged = one.label if label != ACCEPTABLE else None
        objects = image_annotation(one.label, one.marks, good=label == GOOD)
        if judged is None and objects is None:
            done.leave_out(GOOD_ENOUGH)
            continue
        if write is not None and source is None:
            done.leave_out(GONE)
            if judged is not None:
                rows.append(_row(one, judged, label, "", names))
            continue
        name = names.of("image", one.digest)
        file, width, height = f"{name}.dcm", 0, 0
        if write is not None and source is not None:
            (out / IMAGES).mkdir(exist_ok=True)
            try:
                file, width, height = write(source, out / IMAGES / name)
            except MiqaError as error:
                done.leave_out(str(error))
                continue
        image = f"{IMAGES}/{file}" if write else file
        if judged is not None:
            rows.append(_row(one, judged, label, image, names))
        if objects is not None:
            lines.append({"file": image, **objects, **_kept_of(one, names), **_choice_of(one)})
        done.images += 1
        done.regions += _add_to_coco(coco, one, f"{IMAGES}/{file}", width, height)
    _write_csv(out / CSV_NAME, rows)
    _write_csv(out / ALL_NAME, [_provenance(label, names) for label in every])
    (out / OBJECTS_NAME).write_text("".join(json.dumps(line, allow_nan=False) + "\n" for line in lines), "utf-8")
    (out / COCO_NAME).write_text(json.dumps(coco, indent=1, allow_nan=False) + "\n", "utf-8")
    return done


def write_png(radiograph: Radiograph, stem: Path) -> tuple[str, int, int]:
    """The displayed image, 8 bits, at its full size."""
    rows, columns = radiograph.shape
    file = stem.with_suffix(".png")
    _, png = cv2.imencode(".png", (radiograph.display >> 8).astype(np.uint8))
    file.write_bytes(png.tobytes())
    return file.name, columns, rows


def _word_of(one: ExportImage) -> str:
    """The label's word, with what can be taken off that was marked besides; "acceptable" where no label says more."""
    if one.label is None:
        return ACCEPTABLE
    label, opinion = label_of(one.label.judgement), one.label.judgement
    marked = {region.finding for region in (one.marks.regions if one.marks else ()) if not is_expected(region.finding)}
    added = sorted(marked - set(opinion.findings or ()))
    if not added or label in (BAD, ACCEPTABLE):
        return label
    return ACCEPTABLE if label == GOOD else ";".join((label, *added))


def _row(one: ExportImage, judged: LabelRecord, label: str, image: str, names: Names) -> dict[str, Any]:
    row: dict[str, Any] = {"image": image, "label": label, "patient": ""}
    return row | {"sampled": judged.judgement.sampled} | _kept_of(one, names) | _provenance(judged, names)


def _kept_of(one: ExportImage, names: Names) -> dict[str, str]:
    """What is kept of an image's header."""
    return {
        "patient": names.of("patient", one.patient),
        "modality": one.modality,
        "body_part": one.body_part,
        "view": one.view,
    }


def _choice_of(one: ExportImage) -> dict[str, Any]:
    chosen, sampled = choice(one.label)
    return {"chosen": chosen.value, "sampled": sampled}


def _provenance(label: LabelRecord, names: Names) -> dict[str, Any]:
    opinion = label.judgement
    return {
        "label_id": label.label_id,
        "name": names.of("image", label.digest),
        "judgement": label_of(opinion),
        "at": label.at.isoformat(timespec="seconds"),
        "reader": names.reader(opinion.actor),
        "origin": opinion.origin.value,
        "rejects": int(opinion.rejects),
        "reason": opinion.reason,
        "blind": int(opinion.blind),
        "chosen_with": opinion.sampled,
        "verdict": label.verdict,
        "model": f"{label.model_name}-{label.model_version}" if label.model_name else "",
        "model_sha256": label.model_sha256,
        "policy": label.policy_version,
    }


def _coco_head() -> dict[str, Any]:
    return {
        "info": {
            "description": "Quality labels of radiographs, given by people",
            "version": __version__,
            "date_created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        "categories": [
            {"id": number, "name": name, "supercategory": "quality defect", "words": finding_title(name)}
            for number, name in enumerate(defect_names(), start=1)
        ],
        "images": [],
        "annotations": [],
    }


def _add_to_coco(coco: dict[str, Any], one: ExportImage, file: str, width: int, height: int) -> int:
    """Add an image with its label, and one annotation for each region; return the number of regions."""
    opinion, number = None if one.label is None else one.label.judgement, len(coco["images"]) + 1
    category_ids = {category["name"]: category["id"] for category in coco["categories"]}
    findings = None if opinion is None else opinion.findings
    coco["images"].append(
        {
            "id": number, "file_name": file, "width": width, "height": height,
            "bad": None if opinion is None else opinion.bad,
            "category_ids": [category_ids[name] for name in findings or () if name in category_ids],
            "kinds_known": findings is not None,
        }
    )  # fmt: skip
    added = 0
    for finding, region in _regions_of(one):
        category = category_ids.get(finding)
        if category is None or not width:
            continue
        x0, y0, x1, y1 = region.box
        box = [round(v, 2) for v in (x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height)]
        outline = [round(v, 2) for x, y in region.points for v in (x * width, y * height)]
        coco["annotations"].append(
            {
                "id": len(coco["annotations"]) + 1, "image_id": number, "category_id": category, "bbox": box,
                "area": round(box[2] * box[3], 2), "segmentation": [outline], "iscrowd": 0,
            }
        )  # fmt: skip
        added += 1
    return added


def _regions_of(one: ExportImage) -> list[tuple[str, RegionOutline]]:
    """Each region with its finding: of the label, and of the marks beside it."""
    opinion = None if one.label is None else one.label.judgement
    drawn = [] if opinion is None else [(region_finding(region, opinion), region) for region in opinion.regions]
    return drawn + [(region.finding, region) for region in (one.marks.regions if one.marks else ())]


def _write_csv(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else ["image", "label", "patient", "sampled"])
        writer.writeheader()
        writer.writerows(rows)
