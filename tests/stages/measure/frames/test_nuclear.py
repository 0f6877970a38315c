"""Nuclear medicine and PET: counts, holes in a flood, cut bodies, motion and missing times show in their numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID

from miqa_node.core.domain.assessment import Measurement
from miqa_series.pt import uptake
from tests.stages.measure.frames.making import Image, measured, values, write
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged


def flood(hole: float = 1.0) -> Image:
    """A round field of 2000 counts a pixel with their noise, and a spot with ``hole`` of them."""
    y, x = np.mgrid[:128, :128]
    mean = np.where(np.hypot(y - 64, x - 64) < 55, 2000.0, 0.0)
    mean[60:72, 70:82] *= hole
    return np.random.default_rng(1).poisson(mean).astype(np.float64)


def body(down: int = 0) -> Image:
    mean = np.zeros((128, 128))
    cv2.ellipse(mean, (64, 64 + down), (28, 40), 0, 0, 360, 60.0, -1)
    cv2.circle(mean, (56, 50 + down), 8, 240.0, -1)
    return np.random.default_rng(down).poisson(mean).astype(np.float64)


def spaced(dataset: Dataset) -> None:
    dataset.PixelSpacing = [4.0, 4.0]


def test_a_hole_in_a_flood(tmp_path: Path) -> None:
    even, holed = (values(write(tmp_path / "one.dcm", "NM", [one], bits=16)) for one in (flood(), flood(0.7)))
    assert even["nm_uniformity"] < 8
    assert holed["nm_uniformity"] > 14
    assert even["nm_counts"] == flood().sum()
    assert "nm_uniformity" not in values(write(tmp_path / "body.dcm", "NM", [body()], bits=16))


def test_a_body_at_the_border_is_cut(tmp_path: Path) -> None:
    whole, cut = (values(write(tmp_path / "one.dcm", "NM", [body(down)], bits=16)) for down in (0, 45))
    assert whole["nm_truncation"] == 0
    assert cut["nm_truncation"] > 5


def test_motion_between_frames_is_measured_and_placed(tmp_path: Path) -> None:
    still = [body(0)] * 3 + [np.random.default_rng(9).poisson(np.maximum(body(0), 0.0)).astype(float)]
    assert values(write(tmp_path / "still.dcm", "NM", still, spaced, bits=16))["nm_motion"] < 2
    moved = measured(write(tmp_path / "moved.dcm", "NM", [*[body(0)] * 4, body(5)], spaced, bits=16))["nm_motion"]
    assert moved.value == pytest.approx(5 * 4.0, abs=4)
    assert str(moved.place) == "frame 5 of 5"


def test_frames_of_two_detectors_are_not_compared(tmp_path: Path) -> None:
    def two(dataset: Dataset) -> None:
        spaced(dataset)
        dataset.DetectorVector = [1, 2]

    assert "nm_motion" not in values(write(tmp_path / "two.dcm", "NM", [body(0), body(9)], two, bits=16))


def pet(dataset: FileDataset) -> None:
    """A slice of PET with all that uptake values need."""
    dataset.Modality = "PT"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.128")
    dataset.Units, dataset.DecayCorrection, dataset.ActualFrameDuration = "BQML", "START", 180000
    dataset.AcquisitionTime = dataset.SeriesTime = "101500"
    dataset.PatientWeight = 72
    tracer = Dataset()
    tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = 3.7e8, 6586.2
    tracer.RadiopharmaceuticalStartTime = "091000"
    dataset.RadiopharmaceuticalInformationSequence = [tracer]


def without_decay(dataset: FileDataset) -> None:
    pet(dataset)
    del dataset.DecayCorrection
    del dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime


def of_pet(folder: Path, images: list[Image], change: Callable[[FileDataset], None] = pet) -> dict[str, Measurement]:
    result = judged(making.write_series(folder, images, "MR", None, change))
    return {one.name: one for one in result.assessment.measurements}


def test_what_uptake_values_need(tmp_path: Path) -> None:
    images = [making.head_mr(seed=seed) for seed in range(4)]
    complete, lacking = (of_pet(tmp_path / change.__name__, images, change) for change in (pet, without_decay))
    assert complete["pt_suv_tags_missing"].value == 0
    assert lacking["pt_suv_tags_missing"].value == 2
    assert "DecayCorrection, RadiopharmaceuticalStartTime" in str(lacking["pt_suv_tags_missing"].place)
    assert complete["pt_truncation"].value == 0


def tags_of(change: Callable[[FileDataset, Dataset], None]) -> tuple[list[str], list[str]]:
    """What a complete slice lacks and contradicts after a change of it and of its tracer."""
    dataset = FileDataset("", {}, file_meta=FileMetaDataset())
    pet(dataset)
    change(dataset, dataset.RadiopharmaceuticalInformationSequence[0])
    return uptake.lacks(dataset), uptake.contradicts(dataset)


def with_values(values: dict[str, object], tracer: bool = False) -> Callable[[FileDataset, Dataset], None]:
    def change(dataset: FileDataset, of_tracer: Dataset) -> None:
        for keyword, value in values.items():
            setattr(of_tracer if tracer else dataset, keyword, value)

    return change


@pytest.mark.parametrize(
    ("keyword", "value", "tracer"),
    [
        ("Units", "CNTS", False),
        ("DecayCorrection", "NONE", False),
        ("ActualFrameDuration", 0, False),
        ("PatientWeight", 0, False),
        ("PatientWeight", -72, False),
        ("PatientWeight", 72000, False),  # grams
        ("RadionuclideTotalDose", 370, True),  # megabecquerels
        ("RadionuclideTotalDose", -3.7e8, True),
        ("RadionuclideHalfLife", -6586, True),
        ("RadiopharmaceuticalStartTime", "235959", True),  # after the scan
        ("RadiopharmaceuticalStartTime", "102000", True),
        ("RadiopharmaceuticalStartTime", "000000", True),  # 5.6 half-lives before
    ],
)
def test_a_value_that_cannot_be_right_is_named_by_its_keyword(keyword: str, value: object, tracer: bool) -> None:
    assert tags_of(with_values({keyword: value}, tracer)) == ([], [keyword])


@pytest.mark.parametrize(
    ("values", "of_tracer"),
    [
        ({"Units": "GML", "DecayCorrection": "ADMIN"}, {}),
        ({"AcquisitionTime": "001000", "SeriesTime": "001000"}, {"RadiopharmaceuticalStartTime": "231000"}),
        ({}, {"RadiopharmaceuticalStartTime": "101530"}),  # given while the scan runs
        ({"SeriesTime": "180000"}, {"RadiopharmaceuticalStartTime": "0910"}),  # reconstructed in the evening
        ({}, {"RadionuclideHalfLife": 282240, "RadiopharmaceuticalStartTime": "160000"}),  # zirconium, days before
        ({"AcquisitionTime": "", "SeriesTime": ""}, {"RadiopharmaceuticalStartTime": "235959"}),  # lacks those
    ],
)
def test_what_is_usual_contradicts_nothing(values: dict[str, object], of_tracer: dict[str, object]) -> None:
    def change(dataset: FileDataset, tracer: Dataset) -> None:
        with_values(values)(dataset, tracer)
        with_values(of_tracer, tracer=True)(dataset, tracer)

    assert tags_of(change)[1] == []


@pytest.mark.parametrize(
    ("start", "wrong"),
    [
        ("20260301091000.000000", False),
        ("20260302091000", True),
        ("20260228091000", True),
        ("20260301091000+0100", False),
        ("20260301161000+0000", False),  # five hours earlier where the scanner stands, as no element says
    ],
)
def test_a_start_with_its_date(start: str, wrong: bool) -> None:
    def change(dataset: FileDataset, tracer: Dataset) -> None:
        dataset.AcquisitionDate = dataset.SeriesDate = "20260301"
        del tracer.RadiopharmaceuticalStartTime
        tracer.RadiopharmaceuticalStartDateTime = start

    assert tags_of(change) == ([], ["RadiopharmaceuticalStartDateTime"] if wrong else [])


def test_values_that_cannot_be_right_count_like_missing_ones(tmp_path: Path) -> None:
    def wrong(dataset: FileDataset) -> None:
        pet(dataset)
        dataset.DecayCorrection = "NONE"
        dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "235959"

    measurement = of_pet(tmp_path, [making.head_mr(seed=seed) for seed in range(4)], wrong)["pt_suv_tags_missing"]
    assert measurement.value == 2
    assert str(measurement.place) == "cannot be right: DecayCorrection, RadiopharmaceuticalStartTime"


def philips(element: int, factor: object, vr: str = "DS") -> Callable[[FileDataset, Dataset], None]:
    """A complete slice in counts with a private factor of Philips."""

    def change(dataset: FileDataset, _: Dataset) -> None:
        dataset.Units = "CNTS"
        dataset.private_block(0x7053, "Philips PET Private Group", create=True).add_new(element, vr, factor)

    return change


@pytest.mark.parametrize("element", [0x00, 0x09])
def test_counts_of_philips_with_a_factor_are_allowed(element: int) -> None:
    assert tags_of(philips(element, "0.000428757")) == ([], [])
    assert tags_of(philips(element, b"0.000428757 ", "UN")) == ([], [])
    assert tags_of(philips(element, "0")) == ([], ["Units"]), "Philips writes 0 where there is none"


def test_a_factor_for_uptake_values_needs_no_dose_and_one_for_activity_does() -> None:
    def without_dose(element: int) -> Callable[[FileDataset, Dataset], None]:
        def change(dataset: FileDataset, tracer: Dataset) -> None:
            philips(element, "0.000428757")(dataset, tracer)
            del tracer.RadionuclideTotalDose
            del dataset.PatientWeight
            dataset.DecayCorrection = "NONE"

        return change

    assert tags_of(without_dose(0x00)) == ([], ["DecayCorrection"])
    assert tags_of(without_dose(0x09)) == (["PatientWeight", "RadionuclideTotalDose"], ["DecayCorrection"])


def gamma(dataset: Dataset) -> None:
    """A planar image with all that nuclear medicine needs."""
    tracer, window, limits = Dataset(), Dataset(), Dataset()
    tracer.Radiopharmaceutical = "MDP"
    limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = 126.45, 154.55
    window.EnergyWindowRangeSequence = [limits]
    dataset.RadiopharmaceuticalInformationSequence, dataset.EnergyWindowInformationSequence = [tracer], [window]
    dataset.ActualFrameDuration, dataset.AcquisitionTime = 300000, "101500"


def dynamic(dataset: Dataset) -> None:
    """The same with durations of its phases."""
    gamma(dataset)
    del dataset.ActualFrameDuration
    phase = Dataset()
    phase.ActualFrameDuration = 1000
    dataset.PhaseInformationSequence = [phase]


def spare(dataset: Dataset) -> None:
    """The same with an energy window that is not used, and a counter that is not."""
    gamma(dataset)
    unused = Dataset()
    unused.EnergyWindowLowerLimit = unused.EnergyWindowUpperLimit = 0
    dataset.EnergyWindowInformationSequence[0].EnergyWindowRangeSequence.append(unused)
    dataset.CountsAccumulated = 0


def faulty(dataset: Dataset) -> None:
    gamma(dataset)
    del dataset.AcquisitionTime
    dataset.ActualFrameDuration = 0
    limits = dataset.EnergyWindowInformationSequence[0].EnergyWindowRangeSequence[0]
    limits.EnergyWindowUpperLimit = 100


def test_what_nuclear_medicine_needs(tmp_path: Path) -> None:
    planar, of_phases, of_one_window, wrong = (
        measured(write(tmp_path / "one.dcm", "NM", [body()], change, bits=16))["nm_tags_missing"]
        for change in (gamma, dynamic, spare, faulty)
    )
    assert planar.value == of_phases.value == of_one_window.value == 0
    assert wrong.value == 3
    assert str(wrong.place) == (
        "the header lacks AcquisitionTime; cannot be right: EnergyWindowRangeSequence, ActualFrameDuration"
    )


def test_slices_that_are_cut_off(tmp_path: Path) -> None:
    images = [making.head_mr(seed=seed) for seed in range(4)]
    cut = [*images[:3], np.roll(images[3], -60, axis=1)]
    assert of_pet(tmp_path, cut)["pt_truncation"].value == 25
