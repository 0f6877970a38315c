"""Slices that are missing from one volume, by number, by announcement, or that came without their pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import generate_uid

from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.rule import Subject
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.settings import load_settings
from miqa_node.core.settings.policy import read_policy
from miqa_node.stages.measure.slices import read_slices
from tests.quick import in_gate
from tests.stages.measure.series import making
from tests.stages.measure.series.making import Image
from tests.stages.measure.series.test_measures import judged
from tests.stages.measure.series.test_stacks import SLICES, walk

SHIPPED = read_policy(load_settings().policy_file)
MM = 5.0


def measured(paths: list[Path]) -> dict[str, Measurement]:
    return {one.name: one for one in judged(paths).assessment.measurements}


def phases(folder: Path, name: str, lost: tuple[int, ...] = (), modality: str = "MR") -> list[Path]:
    """Three volumes of twelve slices, of which the second lacks some; ``name`` tells them apart."""
    paths: list[Path] = []
    for phase in range(3):
        here = [place for place in range(SLICES) if phase != 1 or place not in lost]
        images = [one + (1000.0 if modality == "MR" else 0.0) for one in walk(noise=4.0 + phase)]

        def change(dataset: FileDataset, phase: int = phase) -> None:
            values: dict[str, Any] = {
                "TemporalPositionIdentifier": phase + 1, "EchoTime": 10 * (phase + 1), "TriggerTime": 100 * phase,
            }  # fmt: skip
            if name:
                setattr(dataset, name, values[name])

        places = [MM * place for place in here]
        first = 1 + len(paths)
        paths += making.write_series(folder, [images[place] for place in here], modality, places, change, first)
    return paths


def test_three_places_have_no_usual_distance(tmp_path: Path) -> None:
    values = measured(making.write_series(tmp_path, walk()[:3], "CT"))
    assert not {"slice_gaps", "slice_overlaps", "slices_repeated", "slices_blank"} & set(values)


def blank(images: list[Image], places: list[int], value: float = -1000.0) -> list[Image]:
    return [np.full_like(one, value) if place in places else one for place, one in enumerate(images)]


@pytest.mark.parametrize("places", [[6], [4, 5], [11], [0, 1]])
@pytest.mark.parametrize("value", [-1024.0, 0.0])
def test_a_slice_without_structure_beside_the_body_is_blank(places: list[int], value: float, tmp_path: Path) -> None:
    blanks = measured(making.write_series(tmp_path, blank(walk(), places, value), "CT"))["slices_blank"]
    assert (blanks.value, str(blanks.place)) == (
        len(places),
        f"slice {places[0] + 1} of 12, Instance Number {places[0] + 1}",
    )


def stack(folder: Path, count: int, **elements: Any) -> Assessment:
    """Of a chest; ``judged`` as a node does."""
    images = [making.layered_ct(seed=place) for place in range(count)]
    return judged(
        making.write_series(folder, images, "CT", change=having(BodyPartExamined="CHEST", **elements))
    ).assessment


def having(**elements: Any) -> Callable[[FileDataset], None]:
    def change(dataset: FileDataset) -> None:
        making.fine(dataset)
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)

    return change


def issues(assessment: Assessment) -> dict[str, str]:
    return {one.name: one.message for one in assessment.plausibility}


def test_a_series_that_begins_late_says_so_and_no_more(tmp_path: Path) -> None:
    images = [making.layered_ct(seed=place) for place in range(6)]
    late = judged(making.write_series(tmp_path, images, "CT", [MM * place for place in range(6)], first=144)).assessment
    assert issues(late)["instance_numbers_begin_late"] == (
        "The lowest Instance Number is 144: images before it may be missing, unless the scanner begins there."
    )
    assert "instance_numbers_begin_late" not in {one.what for one in SHIPPED.of(Subject.CONTRADICTION)}


def test_what_was_not_looked_for_is_named(tmp_path: Path) -> None:
    def plain(dataset: FileDataset) -> None:
        del dataset.InPlanePhaseEncodingDirection

    images = [making.head_mr(seed=place) for place in range(6)]
    assert (
        "Ghost level"
        in issues(judged(making.write_series(tmp_path, images, "MR", change=plain)).assessment)["faults_unchecked"]
    )


@pytest.mark.more
@pytest.mark.parametrize(
    ("name", "place"),
    in_gate(
        [
            ("TemporalPositionIdentifier", "of temporal position 2, the first at 25 mm"),
            ("EchoTime", "of echo time 20 ms, the first at 25 mm"),
            ("TriggerTime", "of one of several volumes, the first at 25 mm"),
            ("", "of one of several volumes, the first at 25 mm"),
        ],
        1,
    ),
)
def test_a_slice_that_one_volume_lacks_is_a_gap(name: str, place: str, tmp_path: Path) -> None:
    assert measured(phases(tmp_path / "a", name))["slice_gaps"].value == 0.0
    gap = measured(phases(tmp_path / "b", name, (5,)))["slice_gaps"]
    assert (gap.value, str(gap.place)) == (1.0, f"{place}, where another has Instance Number 6")


@pytest.mark.more
def test_a_volume_that_covers_a_part_of_the_stack_has_no_gap_and_one_that_lacks_its_end_has(tmp_path: Path) -> None:
    assert measured(phases(tmp_path / "a", "EchoTime", (0, 1, 2, 3)))["slice_gaps"].value == 0.0
    assert measured(phases(tmp_path / "b", "EchoTime", (11,)))["slice_gaps"].value == 1.0


@pytest.mark.more
def test_a_whole_volume_without_pixels_is_blank(tmp_path: Path) -> None:
    paths = phases(tmp_path, "EchoTime")
    for path in paths[SLICES : 2 * SLICES]:
        dataset = making.read(path)
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(path, enforce_file_format=True)
    assert measured(paths)["slices_blank"].value == SLICES


@pytest.mark.more
def test_a_series_that_was_sent_twice_under_new_uids_is_repeated(tmp_path: Path) -> None:
    images = [one for one in walk() for _ in range(2)]
    places = [MM * (place // 2) for place in range(2 * SLICES)]
    values = measured(making.write_series(tmp_path / "a", images, "CT", places))
    assert values["slices_repeated"].value == SLICES
    again = [one + np.random.default_rng(place).normal(0.0, 5.0, one.shape) for place, one in enumerate(images)]
    assert measured(making.write_series(tmp_path / "b", again, "CT", places))["slices_repeated"].value == 0.0


@pytest.mark.more
def test_a_slice_of_one_phase_in_the_place_of_another_is_repeated(tmp_path: Path) -> None:
    paths = phases(tmp_path, "TemporalPositionIdentifier")
    copy, other = making.read(paths[SLICES + 6]), making.read(paths[SLICES + 5])
    copy.PixelData = other.PixelData
    copy.save_as(paths[SLICES + 6], enforce_file_format=True)
    assert measured(paths)["slices_repeated"].value == 1.0


@pytest.mark.more
def test_fewer_places_than_number_of_slices_are_incomplete(tmp_path: Path) -> None:
    assert issues(stack(tmp_path / "b", 6, NumberOfSlices=10))["series_incomplete"] == (
        "6 of the 10 slices that Number of Slices announces are here. Send the others."
    )
    assert decide(stack(tmp_path / "c", 6, NumberOfSlices=10), SHIPPED).verdict is Verdict.REVIEW
    for count in (1, 6):
        assert "series_incomplete" not in issues(stack(tmp_path / f"d{count}", 6, NumberOfSlices=count))


@pytest.mark.more
@pytest.mark.parametrize("change", ["orientation", "size"])
def test_more_than_a_tenth_outside_the_stack_is_not_accepted(change: str, tmp_path: Path) -> None:
    def odd(dataset: FileDataset) -> None:
        if change == "orientation":
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        else:
            dataset.Rows, dataset.PixelData = dataset.Rows // 2, dataset.PixelData[: len(dataset.PixelData) // 2]

    def judged_with(count: int) -> Assessment:
        folder = tmp_path / str(count)
        images = [making.layered_ct(seed=place) for place in range(12)]
        paths = making.write_series(folder, images[:9], "CT")
        places = [MM * (9 + place) for place in range(count)]
        return judged([*paths, *making.write_series(folder, images[:count], "CT", places, odd, 10)]).assessment

    assert issues(judged_with(3))["slices_unmeasured"] == (
        "3 of 12 slices have another orientation or size than the stack and were not measured."
    )
    assert "slices_unmeasured" not in issues(judged_with(1))
    disposition = decide(replace(judged_with(3), measurements=()), SHIPPED)
    assert (disposition.verdict, disposition.flagged) == (Verdict.NOT_ASSESSED, False)


REAL = ("ct_body_philips_brilliance16", "mr_brain_siemens_skyra_mprage")


def real_stack(folder: Path) -> list[FileDataset]:
    """In spatial order."""
    every = read_slices([(InstanceDigest(path.name), path) for path in folder.iterdir()])
    return [making.read(one.path) for one in every]


def resent(folder: Path, datasets: list[FileDataset]) -> dict[str, Measurement]:
    """What is measured of the slices after they came under new SOP Instance UIDs."""
    folder.mkdir()
    for number, dataset in enumerate(datasets):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[f"{number}"])
        dataset.save_as(folder / f"{number:03}.dcm", enforce_file_format=True)
    return measured(sorted(folder.iterdir()))


@pytest.mark.more
@pytest.mark.shared
@pytest.mark.parametrize("name", in_gate(REAL, 1))
def test_what_real_series_lose_is_seen(name: str, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "series" / name
    whole = resent(tmp_path / "whole", real_stack(source))
    assert [whole[one].value for one in ("slice_gaps", "slices_repeated", "slices_blank")] == [0.0, 0.0, 0.0]
    twice = [one for pair in zip(real_stack(source), real_stack(source), strict=True) for one in pair]
    assert resent(tmp_path / "twice", twice)["slices_repeated"].value == 12.0
    alternate = [one for place, one in enumerate(real_stack(source)) if place not in {3, 5, 7}]
    assert resent(tmp_path / "alternate", alternate)["slice_gaps"].value == 3.0
    empty = real_stack(source)
    for one in (empty[6], empty[11]):
        one.PixelData = bytes(len(one.PixelData))
    assert resent(tmp_path / "empty", empty)["slices_blank"].value == 2.0
    phases = [*real_stack(source), *real_stack(source), *real_stack(source)]
    for place, one in enumerate(phases):
        one.TemporalPositionIdentifier, one.InstanceNumber = 1 + place // 12, 1 + place
    del phases[12 + 6]
    assert resent(tmp_path / "phases", phases)["slice_gaps"].value == 1.0


@pytest.mark.more
@pytest.mark.shared
def test_the_excerpt_of_a_real_series_is_incomplete_by_its_number_of_slices(shared_data: Path) -> None:
    paths = sorted((shared_data / "series" / "mr_brain_uih_umr770_t1").iterdir())
    assert issues(judged(paths).assessment)["series_incomplete"].startswith("10 of the 160 slices")
    signa = sorted((shared_data / "series" / "mr_brain_ge_signa_pd").iterdir())
    assert not {"series_incomplete", "acquisition_incomplete"} & set(issues(judged(signa).assessment))


@pytest.mark.more
@pytest.mark.parametrize("places", [[0, 1, 2, 4, 6, 8, 9, 10, 11], [0, 1, 2, 4, 6, 8, 10, 11]])
def test_a_run_of_wider_distances_whose_numbers_are_missing_is_lost(places: list[int], tmp_path: Path) -> None:
    images = walk()
    paths = making.write_series(tmp_path / "a", images, "CT")
    lost = len(images) - len(places)
    assert measured([paths[place] for place in places])["slice_gaps"].value == lost
    renumbered = making.write_series(
        tmp_path / "b", [images[place] for place in range(8)], "CT", [MM * place for place in (0, 1, 2, 4, 6, 8, 9, 10)]
    )
    assert measured(renumbered)["slice_gaps"].value == 0.0, "a part of the protocol with a spacing of its own"


@pytest.mark.more
def test_an_end_beyond_the_body_is_empty_on_purpose(tmp_path: Path) -> None:
    heads = [making.body_ct(radius_mm=radius, seed=radius) for radius in (1, 60, 90, 110, 120, 120, 120, 60, 1, 1)]
    images = [np.where(one < -900.0, -1000.0, one) for one in heads]
    images[0], images[8], images[9] = (np.full_like(images[0], -1000.0) for _ in range(3))
    assert measured(making.write_series(tmp_path / "a", images, "CT"))["slices_blank"].value == 0.0
    air = [making.head_mr(signal=0.0, seed=seed) for seed in range(3)]
    brains = [*air, *(making.head_mr(seed=seed) for seed in range(6)), *air]
    assert measured(making.write_series(tmp_path / "b", brains, "MR"))["slices_blank"].value == 0.0


@pytest.mark.more
@pytest.mark.parametrize("count", [1, 3, 6, 24])
def test_images_in_acquisition_make_nothing_incomplete(tmp_path: Path, count: int) -> None:
    """It counts an acquisition: one pass of several, or several reconstructions."""
    with_count = stack(tmp_path / "a", 6, ImagesInAcquisition=count)
    assert issues(with_count) == issues(stack(tmp_path / "b", 6))
    assert decide(with_count, SHIPPED).verdict is decide(stack(tmp_path / "c", 6), SHIPPED).verdict
