"""Reads a site's own labels, as written by ``miqa-node labels export``, as further training images."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from miqa_node.core.taxonomy.lookup import gate_names
from miqa_node.errors import SettingsError
from miqa_node.features.labels.export import CSV_NAME, OBJECTS_NAME
from miqa_node.stages.assess.labels import parse_label
from miqa_training.datasets import SITE, DatasetRecord, objects_of

GATE = frozenset(gate_names())


def read_site_labels(folder: Path) -> list[DatasetRecord]:
    """The labelled pictures of an export.

    Leaves out bad images without a named finding, which say nothing about single findings, and images other than chest
    radiographs. Where readers marked objects, or saw that there were none, the record has them.

    Raises
    ------
    SettingsError
        The folder is not an export with pictures.
    """
    try:
        with (folder / CSV_NAME).open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError) as error:
        raise _is_no_export(folder, error) from error
    marked = {row["file"]: row for row in read_annotations(folder)}
    records = []
    for row in rows:
        findings = parse_label(row["label"])
        if findings is None or findings & GATE:
            continue
        drawn = marked.get(row["image"])
        records.append(
            DatasetRecord(
                path=picture_in(folder, row["image"]), source=SITE, licence="the site's own", patient=row["patient"],
                view="", notes="", objects=None if drawn is None else objects_of(drawn), findings=findings,
            )
        )  # fmt: skip
    return records


def read_annotations(folder: Path) -> list[dict[str, Any]]:
    """The lines about objects, see features/labels/annotations.py; SettingsError if the folder has none."""
    try:
        return [json.loads(line) for line in (folder / OBJECTS_NAME).read_text("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise _is_no_export(folder, error) from error


def picture_in(folder: Path, name: str) -> Path:
    """The path of an exported picture; SettingsError if it is none."""
    path = folder / name
    if not path.is_file() or path.suffix != ".png":
        raise SettingsError(f"{path.name} is not in {folder}: export the labels with --images png.")
    return path


def _is_no_export(folder: Path, error: Exception) -> SettingsError:
    return SettingsError(f"{folder} is not an export of labels ({error}). Make one with miqa-node labels export.")
