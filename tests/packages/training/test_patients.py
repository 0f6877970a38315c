"""One split of all patients: no package learned from a patient that another one, or it itself, is tested on."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("sklearn")

from miqa_training.datasets import DatasetRecord, may_ship, read_records, training_split
from miqa_training.patients import FITTED, PatientPart, digest_of, part_of, table
from miqa_training.pneumonia.data import calibrates, read_all
from tests.conftest import ROOT

MODELS = ROOT / "models"
SOURCES = {"nih": "NIH ChestX-ray14", "cohen": "Cohen et al. covid-chestxray-dataset"}


def card(kind: str) -> dict[str, Any]:
    folder = max(path for path in MODELS.glob(f"{kind}-[0-9]*"))
    return dict(yaml.safe_load((folder / "card.yaml").read_text("utf-8")))


def test_copies_of_a_collection_name_one_child_differently_and_mean_the_same_person() -> None:
    assert digest_of("ker512", "ker-person608_virus_1175") == digest_of("ker224", "ker-train-person608")
    assert digest_of("ker224", "ker-NORMAL2-IM-0529") != digest_of("ker224", "ker-IM-0529")
    assert digest_of("nih", "nih-00000001") != digest_of("cohen", "nih-00000001")


def test_patients_outside_of_the_table_have_a_part_that_never_changes() -> None:
    parts = [part_of("clinic", str(number)) for number in range(800)]
    assert parts == [part_of("clinic", str(number)) for number in range(800)]
    assert set(parts) == {PatientPart.TRAIN, PatientPart.CALIBRATE}
    assert 0.1 < parts.count(PatientPart.CALIBRATE) / len(parts) < 0.2
    assert part_of("clinic", "1", set_aside=True) is PatientPart.TEST


def test_the_table_names_nobody_twice() -> None:
    with (ROOT / "packages" / "miqa-node-training" / "miqa_training" / "patients.csv").open(encoding="utf-8") as file:
        digests = [row["patient"] for row in csv.DictReader(file)]
    assert len(digests) == len(set(digests)) == len(table())


@pytest.mark.shared
def test_no_package_was_fitted_to_a_patient_that_another_is_tested_on(shared_data: Path) -> None:
    """From manifests to cards: who was fitted by the rules of the shipped versions, counted as their cards do."""
    fitted = _fitted_by_quality(shared_data)
    fitted_since, _ = training_split(read_records(shared_data / "cxr_train"))
    for kind, by_rule in (("quality", fitted_since), ("quality-classical", fitted), ("denoiser", fitted)):
        for row in card(kind)["training"]["data"]:
            mine = [r for r in by_rule if _source(r) == row["source"] and r.licence == row["licence"]]
            assert (len(mine), len({r.patient for r in mine})) == (row["images"], row["patients"]), kind
    drawn = {json.loads(line)["file"] for line in (shared_data / "landmarks" / "train.jsonl").read_text().splitlines()}
    pointed = [r for r in fitted if r.path.name in drawn]
    (row,) = card("landmarks")["training"]["data"]
    assert (len(pointed), len({r.patient for r in pointed})) == (row["images"], row["patients"])
    learned = {digest_of(r.source, r.patient) for r in (*fitted, *fitted_since)}
    answered = _fitted_by_pneumonia(shared_data)
    assert {table()[one] for one in learned} <= FITTED
    assert {table()[one] for one in answered} == {PatientPart.TRAIN}

    samples = read_all(shared_data)
    away = {PatientPart.TEST, PatientPart.ELSEWHERE}
    tested = {digest_of(s.source, s.patient) for s in samples if s.part in away}
    assert not tested & (learned | answered), "a tested patient was fitted by a network, or by the start of one"
    assert not tested & {digest_of(s.source, s.patient) for s in samples if calibrates(s)}
    card_section = card("pneumonia-ensemble")
    assert card_section["training"]["images"]["test"] == sum(s.part is PatientPart.TEST for s in samples)
    groups = card_section["metrics"]["test"]["groups"]
    assert groups["children"]["images"] + groups["adults"]["images"] == card_section["training"]["images"]["test"]
    assert groups["adults of further hospitals"]["images"] == sum(s.part is PatientPart.ELSEWHERE for s in samples)


def _source(record: DatasetRecord) -> str:
    return SOURCES.get(record.source, "Kermany et al., Mendeley 10.17632/rscbjbr9sj")


def _fitted_by_quality(data: Path) -> list[DatasetRecord]:
    """The rule up to quality 0.6.0, denoiser 0.2.0 and landmarks 0.1.0: all but 15 % of the patients by their names."""
    records = [r for r in read_records(data / "cxr_train") if may_ship(r)]
    return [r for r in records if _share(f"0:{r.source}:{r.patient}", 4) >= 0.15]


def _fitted_by_pneumonia(data: Path) -> set[str]:
    """The rule of the pneumonia networks: neither set aside nor half of RSNA's, and 15 % of the others apart."""
    with (data / "cxr_pneumonia" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if not row["label_strength"].startswith("weak")]
    apart = {row["patient"] for row in rows if row["split"] == "val"} | _half_of_rsna(rows)
    rest = [row for row in rows if row["patient"] not in apart and _share(f"calibrate\0{row['patient']}", 8) >= 0.15]
    return {digest_of(row["source_set"], row["patient"]) for row in rest}


def _half_of_rsna(rows: Iterable[dict[str, str]]) -> set[str]:
    read_again = {row["patient"] for row in rows if row["label_strength"].startswith("RSNA")}
    return {patient for patient in read_again if _share(f"test\0{patient}", 8) < 0.5}


def _share(text: str, digits: int) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:digits], "big") / 2.0 ** (8 * digits)
