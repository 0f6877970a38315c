"""A source plays a room: halves without a common patient, its own dose, and what a person is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from miqa_node.core.domain.finding import FindingName
from miqa_node.features.usual_ranges.baseline import SOON_SPAN

pytest.importorskip("miqa_training")

from benchmarks.own_rooms import DAYS, JUDGED, LEARNED, halves, made_of, own_dose
from miqa_training.datasets import DatasetRecord
from miqa_training.degrade.grain import noise_deviation

NOISE = FindingName.NOISE


def record(number: int, patient: str, usable: str = "yes") -> DatasetRecord:
    return DatasetRecord(Path(f"{number}.png"), "room", "", patient, "PA", "", grades={"usable": usable})


def test_no_patient_teaches_and_is_judged_and_the_unusable_only_teach() -> None:
    records = [record(n, f"P{n // 3}", "no" if n % 3 == 0 else "yes") for n in range(180)]
    learned, judged = halves(records)
    assert (len(learned), len(judged)) == (LEARNED, JUDGED)
    assert not {one.patient for one in learned} & {one.patient for one in judged}
    assert all(one.grades["usable"] == "yes" for one in judged)
    assert {one.grades["usable"] for one in learned} == {"yes", "no"}


def test_invented_days_are_enough_for_what_is_learned_soon() -> None:
    assert timedelta(days=DAYS) * (LEARNED - 1) / LEARNED >= SOON_SPAN


@pytest.mark.parametrize(("level", "times"), [(0.5, 2.0), (1.0, 4.0)])
def test_a_quarter_of_the_dose_doubles_the_rooms_own_grain(level: float, times: float) -> None:
    rng = np.random.default_rng(1)
    image, other = (np.asarray(0.5 + rng.normal(0.0, 0.01, (256, 256)), np.float32) for _ in range(2))
    ratio = noise_deviation(own_dose(image, other, NOISE, level, (1, 2))) / noise_deviation(image)
    assert ratio == pytest.approx(times, rel=0.15)


def test_noise_is_made_by_every_family_and_others_on_every_second_image() -> None:
    names = [NOISE, FindingName.UNSHARP, FindingName.FOREIGN_OBJECT]
    made = [list(made_of(number, record(number, "P"), names)) for number in range(40)]
    assert all(sum(name == NOISE for name, _ in one) == 3 for one in made)
    assert sum(name == FindingName.UNSHARP for one in made for name, _ in one) == 20
    assert not any(name == FindingName.FOREIGN_OBJECT for one in made for name, _ in one), "nobody knows of objects"
