"""Reads a site's own labels, as written by ``miqa-node labels export``, as further training images."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from miqa_node.analysis.export import COCO_NAME, CSV_NAME
from miqa_node.assess.labels import parse_label
from miqa_node.domain.finding import FindingName
from miqa_node.errors import SettingsError
from miqa_node.taxonomy.lookup import gate_names
from miqa_training.datasets import SITE, DatasetRecord, ObjectBox

GATE = frozenset(gate_names())


def read_site_labels(folder: Path) -> list[DatasetRecord]:
    """The labelled pictures of an export.

    Leaves out bad images without a named finding, which say nothing about single findings, and images other than chest
    radiographs. Drawn regions locate foreign objects.

    Raises
    ------
    SettingsError
        The folder is not an export with pictures.
    """
    try:
        with (folder / CSV_NAME).open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        regions = _regions(json.loads((folder / COCO_NAME).read_text("utf-8")))
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(
            f"{folder} is not an export of labels ({error}). Make one with miqa-node labels export."
        ) from error
    records = []
    for row in rows:
        findings = parse_label(row["label"])
        path = folder / row["image"]
        if findings is None or findings & GATE:
            continue
        if not path.is_file() or path.suffix != ".png":
            raise SettingsError(f"{path.name} is not in {folder}: export the labels with --images png.")
        records.append(
            DatasetRecord(
                path=path, source=SITE, licence="the site's own", patient=row["patient"], view="", notes="",
                objects=_objects(findings, regions.get(row["image"], ())), findings=findings,
            )
        )  # fmt: skip
    return records


def _objects(findings: frozenset[str], boxes: tuple[ObjectBox, ...]) -> tuple[ObjectBox, ...] | None:
    """The objects that readers drew; empty for an image free of objects, None without drawings."""
    if FindingName.FOREIGN_OBJECT not in findings:
        return ()
    return boxes or None


def _regions(coco: dict[str, Any]) -> dict[str, tuple[ObjectBox, ...]]:
    category = next(one["id"] for one in coco["categories"] if one["name"] == FindingName.FOREIGN_OBJECT)
    images = {image["id"]: image for image in coco["images"]}
    regions: dict[str, tuple[ObjectBox, ...]] = {}
    for annotation in coco["annotations"]:
        if annotation["category_id"] != category:
            continue
        image = images[annotation["image_id"]]
        wide, high, name = float(image["width"]), float(image["height"]), image["file_name"]
        x, y, width, height = (float(value) for value in annotation["bbox"])
        drawn = ObjectBox((x / wide, y / high, (x + width) / wide, (y + height) / high), "external_object", sure=True)
        regions[name] = (*regions.get(name, ()), drawn)
    return regions
