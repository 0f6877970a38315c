"""Labels that people of a site gave, as ``miqa-node labels export`` writes them: more images to learn from."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from miqa_node.analysis.export import COCO_NAME, CSV_NAME
from miqa_node.assess.labels import parse_label
from miqa_node.domain.finding import FindingName, GateClass
from miqa_node.errors import SettingsError
from miqa_node.training.datasets import SITE, Box, Record

GATE = frozenset(name.value for name in GateClass)


def read_site_labels(folder: Path) -> list[Record]:
    """The labelled pictures of an export.

    Images that are bad and nobody said how teach nothing about single findings and are left out; so are those that
    are no chest radiographs at all. Drawn regions say where foreign objects lie.

    Raises
    ------
    SettingsError
        The folder is no export with pictures.
    """
    try:
        with (folder / CSV_NAME).open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        regions = _regions(json.loads((folder / COCO_NAME).read_text("utf-8")))
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(
            f"{folder} is no export of labels ({error}). Make one with miqa-node labels export."
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
            Record(
                path=path, source=SITE, licence="the site's own", patient=row["patient"], view="", notes="",
                objects=_objects(findings, regions.get(row["image"], ())), findings=findings,
            )
        )  # fmt: skip
    return records


def _objects(findings: frozenset[str], boxes: tuple[Box, ...]) -> tuple[Box, ...] | None:
    """The objects that people drew; none in an image that is free of them, None where nobody drew any."""
    if FindingName.FOREIGN_OBJECT not in findings:
        return ()
    return boxes or None


def _regions(coco: dict[str, Any]) -> dict[str, tuple[Box, ...]]:
    wanted = next(one["id"] for one in coco["categories"] if one["name"] == FindingName.FOREIGN_OBJECT.value)
    images = {image["id"]: image for image in coco["images"]}
    found: dict[str, tuple[Box, ...]] = {}
    for annotation in coco["annotations"]:
        if annotation["category_id"] != wanted:
            continue
        image = images[annotation["image_id"]]
        wide, high, name = float(image["width"]), float(image["height"]), image["file_name"]
        x, y, width, height = (float(value) for value in annotation["bbox"])
        drawn = Box((x / wide, y / high, (x + width) / wide, (y + height) / high), "external_object", sure=True)
        found[name] = (*found.get(name, ()), drawn)
    return found
