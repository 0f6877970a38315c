"""One split of all patients, by collection and patient, for every package trained here.

``patients.csv`` lists each patient of the collections as a digest, with the patient's part. Quality, classical models,
anomaly, denoiser, landmarks and pneumonia all read it. So no patient in the training of one network is a test patient
of another, and starting from another network's weights leaks no test patient. A patient never changes part once a
fitted package has shipped. Patients that are not in the table, such as those of a site, are split by their digest.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("patients.csv")
HELD_OUT_SHARE = 0.15
"""Share of the patients outside the table that are held out from fitting."""
KERMANY = re.compile(r"person\d+|(?:NORMAL2-)?IM-\d+")
"""Copies of Kermany's collection identify a child as ``person12_virus_34`` or ``train-person12``."""


class PatientPart(StrEnum):
    """What a patient is used for."""

    TRAIN = "train"
    """Weights of every package may be fitted on them."""
    TRAIN_QUALITY = "train-quality"
    """Used for fitting by quality and related packages; the pneumonia package only calibrates on them."""
    CALIBRATE = "calibrate"
    """Thresholds and calibrations of any package."""
    TEST = "test"
    """Figures of the pneumonia package. The quality package also chose thresholds on some of them."""
    ELSEWHERE = "elsewhere"
    """From a hospital without any fitting: development set, and tests on further hospitals."""


FITTED = frozenset({PatientPart.TRAIN, PatientPart.TRAIN_QUALITY})
"""Parts for fitting the weights of quality and related packages."""


def digest_of(collection: str, patient: str) -> str:
    """Sixteen hexadecimal digits that identify one person, the same in every copy of a collection."""
    if collection.startswith("ker") and (match := KERMANY.search(patient)):
        collection, patient = "kermany", match.group()
    return hashlib.sha256(f"{collection}/{patient}".encode()).hexdigest()[:16]


def part_of(collection: str, patient: str, *, set_aside: bool = False) -> PatientPart:
    """The part of a patient, the same in every run and for every package.

    ``set_aside``: the collection itself keeps the patient for tests; used if the patient is not in the table.
    """
    part = table().get(digest_of(collection, patient))
    if part is not None:
        return part
    if set_aside:
        return PatientPart.TEST
    return PatientPart.CALIBRATE if held_out_by_digest(collection, patient) else PatientPart.TRAIN


def held_out_by_digest(collection: str, patient: str) -> bool:
    """Whether a patient outside the table is held out from fitting; also the rule from before the table existed."""
    share = hashlib.sha256(f"0:{collection}:{patient}".encode()).digest()
    return int.from_bytes(share[:4]) / 2**32 < HELD_OUT_SHARE


@cache
def table() -> dict[str, PatientPart]:
    """Part of each digest in ``patients.csv``."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["patient"]: PatientPart(row["part"]) for row in csv.DictReader(file)}


def fingerprint(digests: Iterable[str]) -> str:
    """SHA-256 of a set of digests, which identifies a card's patients."""
    return hashlib.sha256("\n".join(sorted(set(digests))).encode()).hexdigest()
