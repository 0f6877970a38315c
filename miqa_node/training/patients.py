"""One split of all patients for every package that is trained here, by collection and patient.

``patients.csv`` names each patient of the collections by a digest, with the part it belongs to. Quality, classical
models, anomaly, denoiser, landmarks and pneumonia all read it, so nobody that one network learned from is tested by
another, and no network can serve as a start for one that is tested on its patients. A patient never moves once a
package that was fitted has shipped. Patients that the table lacks, such as those of a site, are split by their digest.
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
"""Share of the patients outside of the table that no weights are fitted on."""
KERMANY = re.compile(r"person\d+|(?:NORMAL2-)?IM-\d+")
"""Copies of Kermany's collection name a child ``person12_virus_34`` or ``train-person12``."""


class PatientPart(StrEnum):
    """What a patient is used for."""

    TRAIN = "train"
    """Weights of every package may be fitted on them."""
    TRAIN_QUALITY = "train-quality"
    """Fitted on by quality and its neighbours; the pneumonia package only calibrates on them."""
    CALIBRATE = "calibrate"
    """Thresholds and calibrations of any package."""
    TEST = "test"
    """Figures of the pneumonia package. The quality package also chose thresholds on some of them."""
    ELSEWHERE = "elsewhere"
    """Of a hospital that nothing is fitted on: development set, and tests on further hospitals."""


FITTED = frozenset({PatientPart.TRAIN, PatientPart.TRAIN_QUALITY})
"""Parts that weights of quality and of its neighbours are fitted on."""


def digest_of(collection: str, patient: str) -> str:
    """Sixteen hexadecimal digits of one person, the same in every copy of a collection."""
    if collection.startswith("ker") and (match := KERMANY.search(patient)):
        collection, patient = "kermany", match.group()
    return hashlib.sha256(f"{collection}/{patient}".encode()).hexdigest()[:16]


def part_of(collection: str, patient: str, *, set_aside: bool = False) -> PatientPart:
    """The part of a patient, the same in every run and for every package.

    ``set_aside``: the collection itself keeps the patient for tests, which counts where the table says nothing.
    """
    part = table().get(digest_of(collection, patient))
    if part is not None:
        return part
    if set_aside:
        return PatientPart.TEST
    return PatientPart.CALIBRATE if held_out_by_digest(collection, patient) else PatientPart.TRAIN


def held_out_by_digest(collection: str, patient: str) -> bool:
    """Whether weights are fitted without the patient where the table says nothing, and were before there was one."""
    share = hashlib.sha256(f"0:{collection}:{patient}".encode()).digest()
    return int.from_bytes(share[:4]) / 2**32 < HELD_OUT_SHARE


@cache
def table() -> dict[str, PatientPart]:
    """Part of each digest in ``patients.csv``."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["patient"]: PatientPart(row["part"]) for row in csv.DictReader(file)}


def fingerprint(digests: Iterable[str]) -> str:
    """SHA-256 of a set of digests, by which a card names its patients."""
    return hashlib.sha256("\n".join(sorted(set(digests))).encode()).hexdigest()
