"""On which real scanners each measurement was tried, as the table beside this module says."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TextIO

TABLE = Path(__file__).with_name("tried_on.tsv")
UNKNOWN_MAKE = "unknown make"
"""Of images whose header names neither maker nor model."""
NO_SCANNER = "no real scanner yet"
"""The row of measurements that none of the images allowed."""
INVENTED = ("Acme", "FO-DICOM", "OFFIS", "Test", "debug", "Distributed Medical")
"""Beginnings of Manufacturer in files that no scanner made."""
MAKERS = {
    "agfa": "Agfa", "aloka": "Aloka", "cps": "CPS", "esaote": "Esaote", "fuji": "Fujifilm", "g.e.": "GE", "ge ": "GE",
    "hitachi": "Hitachi", "philips": "Philips", "siemens": "Siemens", "sonosite": "SonoSite", "toshiba": "Toshiba",
    "uih": "United Imaging",
}  # fmt: skip
"""By the beginning of Manufacturer (0008,0070)."""
MAKERS_OF_MODELS = {"Supria": "Hitachi", "1094": "Siemens"}
"""Where the header names only the model."""


@dataclass(frozen=True, slots=True)
class Trial:
    """These measurements were taken of so many images, or slices, of one scanner."""

    modality: str
    scanner: str
    images: int
    measurements: tuple[str, ...]


def scanner_name(maker: str, model: str) -> str | None:
    """Maker and model of (0008,0070) and (0008,1090), or ``UNKNOWN_MAKE``; None of files that no scanner made.

    >>> scanner_name("GE MEDICAL SYSTEMS", "LightSpeed16 "), scanner_name("Test data", "")
    ('GE LightSpeed16', None)
    """
    maker, model = maker.strip(), model.strip()
    if maker.startswith(INVENTED):
        return None
    names = (name for start, name in MAKERS.items() if maker.lower().startswith(start))
    maker = MAKERS_OF_MODELS.get(model, next(names, maker))
    return " ".join(filter(None, (maker, model))) or UNKNOWN_MAKE


@cache
def trials() -> tuple[Trial, ...]:
    """The rows of the table, by modality and scanner."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t")
        return tuple(
            Trial(row["modality"], row["scanner"], int(row["images"]), tuple(row["measurements"].split()))
            for row in rows
        )


def scanners_of(measurement: str) -> Mapping[str, int]:
    """Number of images by scanner on which the measurement was taken; 0 of NO_SCANNER; empty if it is not listed."""
    counts: dict[str, int] = {}
    for one in trials():
        if measurement in one.measurements:
            counts[one.scanner] = counts.get(one.scanner, 0) + one.images
    return counts


def write_trials(rows: Iterable[Trial], out: TextIO) -> None:
    """The table as :func:`trials` reads it."""
    out.write("# Made by `python -m tools.tried_on` from the lines of `miqa-node assess --json`; do not edit.\n")
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(("modality", "scanner", "images", "measurements"))
    writer.writerows((one.modality, one.scanner, one.images, " ".join(one.measurements)) for one in rows)
