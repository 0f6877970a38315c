"""A protocol is fixed by its hash, and what is read follows from it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.language.catalogue import spoken
from miqa_node.errors import ConflictError, SettingsError
from miqa_node.features.reader_study.protocol import (
    AIDED,
    BLINDED,
    ExpectedAccuracy,
    ReaderStudyProtocol,
    read_protocol,
)
from miqa_node.features.reader_study.report import study_pdf, study_sheets
from miqa_node.features.reader_study.results import evaluate
from miqa_node.features.reader_study.rows import DrawnImage, StoredReaderStudy, StudyReading
from miqa_node.features.reader_study.selection import draw, next_image

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
PROTOCOL = ReaderStudyProtocol(
    name="winter",
    question="Größer als gedacht?",
    since=date(2026, 11, 1),
    until=date(2026, 11, 15),
    rooms=("ROOM1",),
    images=12,
    run_length=4,
    readers=("ines", "mara", "tom"),
    aided=False,
    washout_days=28,
    expected=ExpectedAccuracy(
        prevalence=0.3, sensitivity=0.9, specificity=0.9, least_sensitivity=0.4, least_specificity=0.4
    ),
    seed="00",
    model="quality-0.5.0",
    policy="2026-01",
    software="miqa-node",
)
DIGESTS = [InstanceDigest(f"{number:064x}") for number in range(40)]


def image(number: int, verdict: str = "ACCEPT") -> DrawnImage:
    return DrawnImage(DIGESTS[number], 1, verdict, 0.9 if verdict == "ACCEPT" else 0.2, ())


def reading(reader: str, number: int, grade: str = "usable", rating: int = 10, arm: str = BLINDED) -> StudyReading:
    return StudyReading(DIGESTS[number], reader, arm, grade, rating, (), NOW)


def test_the_hash_follows_every_word() -> None:
    assert read_protocol(PROTOCOL.text) == PROTOCOL
    assert read_protocol(PROTOCOL.text).sha256 == PROTOCOL.sha256
    assert len({PROTOCOL.sha256, replace(PROTOCOL, seed="01").sha256, replace(PROTOCOL, images=13).sha256}) == 3


@pytest.mark.parametrize("change", [{"readers": ("mara",)}, {"name": "No name!"}, {"until": date(2026, 10, 1)},
                                    {"images": 0}, {"run_length": 13}, {"washout_days": -1}])  # fmt: skip
def test_contradictions_are_errors(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        replace(PROTOCOL, **change)


def test_other_text_is_no_protocol() -> None:
    for text in ("", "{}", "[1]", json.dumps({**json.loads(PROTOCOL.text), "more": 1})):
        with pytest.raises(SettingsError):
            read_protocol(text)


def test_runs_are_consecutive_and_repeatable() -> None:
    drawn = draw(PROTOCOL, DIGESTS)
    assert draw(PROTOCOL, DIGESTS) == drawn
    assert draw(replace(PROTOCOL, seed="01"), DIGESTS) != drawn
    assert [run for run, _ in drawn] == [1] * 4 + [2] * 4 + [3] * 4
    places = [DIGESTS.index(digest) for _, digest in drawn]
    assert all(b - a == 1 for i, (a, b) in enumerate(pairwise(places), 1) if i % 4)
    with pytest.raises(ConflictError, match="longer period"):
        draw(PROTOCOL, DIGESTS[:11])


def test_every_run_has_the_same_chance() -> None:
    counts = [0] * 10
    for seed in range(600):
        for _, digest in draw(replace(PROTOCOL, seed=str(seed)), DIGESTS)[::4]:
            counts[DIGESTS.index(digest) // 4] += 1
    assert all(130 <= count <= 230 for count in counts)  # 180 expected, standard deviation 11


def test_readers_have_orders_of_their_own() -> None:
    images = [image(number) for number in range(12)]
    first = {reader: next_image(PROTOCOL, images, [], reader, NOW)[1] for reader in PROTOCOL.readers}
    assert len({one.digest for one in first.values() if one}) > 1
    assert first["mara"] is not None
    done = reading("mara", DIGESTS.index(first["mara"].digest))
    _, following, remaining = next_image(PROTOCOL, images, [done], "mara", NOW)
    assert following is not None
    assert following != first["mara"]
    assert remaining == 11


def test_the_second_reading_waits() -> None:
    protocol, images = replace(PROTOCOL, aided=True), [image(0), image(1)]
    blinded = [reading("mara", number) for number in range(2)]
    assert next_image(protocol, images, blinded, "mara", NOW + timedelta(days=27)) == (AIDED, None, 2)
    arm, second, _ = next_image(protocol, images, blinded, "mara", NOW + timedelta(days=28))
    assert arm == AIDED
    assert second is not None
    aided = [reading("mara", number, arm=AIDED) for number in range(2)]
    assert next_image(protocol, images, [*blinded, *aided], "mara", NOW + timedelta(days=99)) == (AIDED, None, 0)


def everything(
    bad: set[int], flagged: set[int], arms: tuple[str, ...] = (BLINDED,)
) -> tuple[list[DrawnImage], list[StudyReading]]:
    """Twelve images; tom never calls one unusable, so two of three readers decide."""
    images = [image(number, "REJECT" if number in flagged else "ACCEPT") for number in range(12)]
    readings = []
    for arm in arms:
        for reader in PROTOCOL.readers:
            for number in range(12):
                unusable = number in bad and reader != "tom"
                sure = 90 if number in bad and (arm == AIDED or number % 2) else 20
                readings.append(reading(reader, number, "unusable" if unusable else "usable", sure + number, arm))
    return images, readings


def test_figures_of_a_finished_study() -> None:
    images, readings = everything({0, 1, 2, 3}, {0, 1, 2, 7})
    figures = evaluate(PROTOCOL, images, readings)
    assert (figures.unusable, figures.sensitivity.share, figures.specificity.share) == (4, 0.75, 0.875)
    assert figures.sensitivity.low == pytest.approx(0.194, abs=0.001)  # Clopper and Pearson, 3 of 4
    assert (figures.sensitivity_shown, figures.specificity_shown) == (False, True)
    assert figures.alarm_rate.count == 4
    pairs = {(pair.first, pair.second): pair for pair in figures.agreement}
    assert pairs["ines", "mara"].kappa.observed == 1.0
    assert pairs["ines", "tom"].kappa.observed == pytest.approx(8 / 12)
    assert ("tom", "node") in pairs
    assert figures.aided is None


def test_no_figures_before_the_end() -> None:
    images, readings = everything({0}, {0})
    with pytest.raises(ConflictError, match="1 reading is missing"):
        evaluate(PROTOCOL, images, readings[:-1])
    with pytest.raises(ConflictError, match="No images were drawn yet; miqa-node study collect"):
        evaluate(PROTOCOL, [], [])


def test_help_by_the_verdict_is_measured_and_written_down() -> None:
    protocol = replace(PROTOCOL, aided=True)
    images, readings = everything({0, 1, 2, 3}, {0, 1, 2, 7}, (BLINDED, AIDED))
    figures = evaluate(protocol, images, readings)
    assert figures.aided is not None
    assert figures.aided.areas[1] > figures.aided.areas[0]
    study = StoredReaderStudy("winter", protocol.text, NOW, "mara", NOW, 40)
    text = " ".join(sentence for sheet in study_sheets(study, protocol, figures) for sentence in sheet.sentences)
    assert "4 of 12 images were unusable" in text
    assert "Sensitivity above 0.4: not shown." in text
    assert "Mean area under the curve" in text
    assert "∞ degrees of freedom" in text
    assert "(−0." in text, "a minus sign, no hyphen"
    assert study_pdf(study, protocol, figures, "en").startswith(b"%PDF")


def test_the_report_is_in_the_language_of_the_site() -> None:
    protocol = replace(PROTOCOL, aided=True)
    figures = evaluate(protocol, *everything({0, 1, 2, 3}, {0, 1, 2, 7}, (BLINDED, AIDED)))
    study = StoredReaderStudy("winter", protocol.text, NOW, "mara", NOW, 40)
    with spoken("de"):
        sheets = study_sheets(study, protocol, figures)
    text = " ".join(sentence for sheet in sheets for sentence in sheet.sentences)
    assert "4 von 12 Bildern waren" in text
    assert "Sensitivität über 0,4: nicht gezeigt." in text
    cells = {cell for sheet in sheets for row in sheet.rows for cell in row}
    assert {"Frage", "Bilder", "Beurteilungen", "Alarme des Programms"} <= cells
    assert study_pdf(study, protocol, figures, "de") != study_pdf(study, protocol, figures, "en")
