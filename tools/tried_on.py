"""On which real scanners each measurement was tried: ``assess FOLDER --json | python -m tools.tried_on > FILE``.

FILE is miqa_node/stages/measure/tried_on.tsv, which the reference prints. The lines of ``assess`` name the files, and
the files their scanner; nothing else of them is kept.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from miqa_node.core.domain.measurand import MEASUREMENTS
from miqa_node.dicom.bytes.head import read_some
from miqa_node.stages.measure.tried_on import NO_SCANNER, Trial, scanner_name, write_trials

SAME_IMAGE = ("ImagePositionPatient", "ContentTime", "AcquisitionTime", "Rows", "Columns", "PatientOrientation")
"""Copies of an image in other encodings, which collections of test files have, agree in these; rather too few images
are counted than too many."""
_READ = (*SAME_IMAGE, "Manufacturer", "ManufacturerModelName")
TAGS = frozenset(tag for keyword in _READ if (tag := tag_for_keyword(keyword)) is not None)


def trials(lines: Iterable[str]) -> Iterator[Trial]:
    """What the lines of ``assess --json`` say, an entry for each scanner and number of images."""
    images: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in lines:
        unit: dict[str, Any] = json.loads(line)
        if not unit.get("measurements"):
            continue
        headers = [_header(file) for file in unit.get("files") or [unit.get("file")] if file]
        scanner = _scanner(headers[0]) if headers else None
        if scanner is None:
            continue
        for name in unit["measurements"]:
            images[unit["modality"], scanner][name].update(map(_image, headers))
    for (modality, scanner), by_name in sorted(images.items()):
        names: dict[int, list[str]] = defaultdict(list)
        for name, pictures in by_name.items():
            names[len(pictures)].append(name)
        for count in sorted(names, reverse=True):
            yield Trial(modality, scanner, count, tuple(sorted(names[count])))
    tried = {name for by_name in images.values() for name in by_name}
    yield Trial("", NO_SCANNER, 0, tuple(sorted({one.name for one in MEASUREMENTS.plugins() if one.built_in} - tried)))


def scanner_of(file: str) -> str | None:
    """Maker and model of the scanner that made the file; None if none did."""
    return _scanner(_header(file))


def _header(file: str) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values of others' files
        return read_some(Path(file), TAGS)


def _scanner(header: Dataset) -> str | None:
    return scanner_name(*(str(header.get(keyword) or "") for keyword in ("Manufacturer", "ManufacturerModelName")))


def _image(header: Dataset) -> str:
    return repr([str(header.get(keyword)) for keyword in SAME_IMAGE])


if __name__ == "__main__":
    write_trials(trials(sys.stdin), sys.stdout)
