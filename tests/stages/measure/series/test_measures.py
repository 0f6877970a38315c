"""CT and MR measurements against phantoms whose noise, gaps, metal and signal are known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset

from miqa_node.core.domain.image import Radiograph
from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.errors import DecodeError
from miqa_node.runtime.store.arrays import dump_snapshot, load_snapshot
from miqa_node.stages.assess.series import SeriesResult, judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.measure.slices import read_slices
from miqa_node.stages.units.kinds import is_slice, series_traits
from tests.damage import write_text
from tests.stages.measure.series import making


def decode(path: Path, frame: int = 0) -> Radiograph:
    decoded = decode_frame(path, frame, 10**8)
    return Radiograph(decoded.stored, decoded.display, decoded.stored_range, decoded.spacing_mm, decoded.valid)


def judged(paths: Sequence[Path], max_slices: int = 1000) -> SeriesResult:
    files = [(InstanceDigest(hashlib.sha256(path.read_bytes()).hexdigest()), path) for path in paths]
    header, _ = read_header(paths[-1])
    return judge_series(header, series_traits(header), files[-1][0], files, SliceTools(decode), max_slices)


def numbers(judgement: SeriesResult) -> dict[str, float]:
    return {measurement.name: measurement.value for measurement in judgement.assessment.measurements}


@pytest.mark.parametrize("noise_hu", [8.0, 20.0, 40.0])
def test_the_noise_of_a_water_phantom_is_found(tmp_path: Path, noise_hu: float) -> None:
    images = [making.body_ct(noise_hu, seed=seed) for seed in range(4)]
    values = numbers(judged(making.write_series(tmp_path, images, "CT")))
    assert values["ct_noise"] == pytest.approx(noise_hu, rel=0.07)
    assert values["air_noise"] == pytest.approx(noise_hu, rel=0.1)
    assert values["ctdi_vol"] == 8.5
    assert values["metal_share"] == values["truncation"] == 0.0


def test_smooth_noise_has_a_lower_frequency(tmp_path: Path) -> None:
    import cv2

    sharp = [making.body_ct(20.0, seed=seed) for seed in range(4)]
    smooth = [np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.float64) for image in sharp]
    peaks = [
        numbers(judged(making.write_series(tmp_path / name, images, "CT")))["nps_frequency"]
        for name, images in (("sharp", sharp), ("smooth", smooth))
    ]
    assert peaks[1] < peaks[0]


def test_metal_is_measured_and_marked_on_its_slices(tmp_path: Path) -> None:
    images = [making.body_ct(seed=seed) for seed in range(6)]
    images[2] = making.with_metal(images[2])
    judgement = judged(making.write_series(tmp_path, images, "CT"))
    body_px = np.pi * (140.0 / making.SPACING_MM) ** 2 * making.FLATNESS * 6
    assert numbers(judgement)["metal_share"] == pytest.approx(100.0 * 160 / body_px, rel=0.02)
    (mark,) = (one for one in judgement.snapshot.masks if one.measurement == "metal_share")
    assert mark.index == 2
    rows, columns = np.nonzero(mark.mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (90, 99, 50, 65)


def test_a_body_larger_than_the_field_is_truncated(tmp_path: Path) -> None:
    whole = numbers(judged(making.write_series(tmp_path / "a", [making.body_ct(radius_mm=150.0)] * 3, "CT")))
    cut = numbers(judged(making.write_series(tmp_path / "b", [making.body_ct(radius_mm=205.0)] * 3, "CT")))
    assert whole["truncation"] == 0.0
    assert cut["truncation"] > 40.0, "a round body in a square"
    rolled = [np.roll(making.body_ct(radius_mm=150.0), 30, axis=1)] * 3
    assert 10.0 < numbers(judged(making.write_series(tmp_path / "c", rolled, "CT")))["truncation"] < 50.0


def test_streaks_show_in_the_air_around_the_body(tmp_path: Path) -> None:
    plain = [making.body_ct(radius_mm=120.0, seed=seed) for seed in range(3)]
    clean = numbers(judged(making.write_series(tmp_path / "a", plain, "CT")))["streak_index"]
    streaky = numbers(judged(making.write_series(tmp_path / "b", list(map(making.with_streaks, plain)), "CT")))
    assert streaky["streak_index"] > 5 * clean


def test_gaps_distance_and_coverage_come_from_positions(tmp_path: Path) -> None:
    images = [making.body_ct(seed=seed) for seed in range(5)]
    paths = making.write_series(tmp_path, images, "CT", places_mm=[40.0, 0.0, 5.0, 10.0, 15.0])
    values = numbers(judged(paths))
    assert (values["slice_count"], values["slice_distance"], values["slice_gaps"]) == (5.0, 5.0, 1.0)
    assert (values["slice_gap_largest"], values["coverage"]) == (25.0, 45.0)


def test_localizers_and_slices_of_other_sizes_are_not_part_of_the_stack(tmp_path: Path) -> None:
    def localizer(dataset: pydicom.Dataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]

    body = making.write_series(tmp_path / "a", [making.body_ct(seed=seed) for seed in range(4)], "CT")
    scout = making.write_series(tmp_path / "b", [making.body_ct()], "CT", change=localizer, first=50)
    small = making.write_series(tmp_path / "c", [making.body_ct()[:100]], "CT", first=60)
    judgement = judged([*scout, *body, *small])
    assert numbers(judgement)["slice_count"] == 4.0
    assert len(judgement.snapshot.slices) == 6


def test_sharper_images_have_less_entropy_than_ghosted_ones(tmp_path: Path) -> None:
    plain = [making.head_mr(seed=seed) for seed in range(3)]
    ghosts = [image + 0.3 * np.roll(image, making.SIDE // 2, axis=0) for image in plain]
    efc = [
        numbers(judged(making.write_series(tmp_path / name, images, "MR")))["mr_efc"]
        for name, images in (("plain", plain), ("ghosts", ghosts))
    ]
    assert efc[0] < efc[1]


def test_slices_that_cannot_be_decoded_are_counted_and_take_no_part(tmp_path: Path) -> None:
    paths = making.write_series(tmp_path, [making.body_ct(seed=seed) for seed in range(4)], "CT")

    def broken(path: Path, frame: int) -> Radiograph:
        if path == paths[1]:
            raise DecodeError("The codestream ends early.")
        return decode(path, frame)

    files = [(InstanceDigest(path.stem), path) for path in paths]
    header, _ = read_header(paths[0])
    judgement = judge_series(header, series_traits(header), files[0][0], files, SliceTools(broken), 100)
    values = numbers(judgement)
    (issue,) = [one for one in judgement.assessment.plausibility if one.name == "undecodable_slices"]
    assert issue.message == "1 of 4 slices could not be decoded; the first because: The codestream ends early."
    assert values["slices_unreadable"] == 1.0
    assert values["ct_noise"] == pytest.approx(12.0, rel=0.1)


def test_a_series_beyond_the_limit_says_so(tmp_path: Path) -> None:
    judgement = judged(making.write_series(tmp_path, [making.body_ct()] * 3, "CT"), max_slices=2)
    assert "work.series_max_slices (2)" in judgement.assessment.not_assessed


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("InstanceNumber", "1e400"),
        ("NumberOfFrames", "1e16"),
        ("NumberOfFrames", "NaN"),
        ("TemporalPositionIdentifier", "1e400"),
        ("SliceThickness", "1e400"),
    ],
)
@pytest.mark.filterwarnings("ignore:Value too large:UserWarning")
def test_a_slice_with_a_number_without_an_end_does_not_cost_the_series(
    tmp_path: Path, keyword: str, value: str
) -> None:
    def change(dataset: FileDataset) -> None:
        if dataset.InstanceNumber == 2:
            write_text(dataset, keyword, value)

    paths = making.write_series(tmp_path, [making.body_ct(seed=seed) for seed in range(4)], "CT", change=change)
    assert len(read_slices([(InstanceDigest(path.stem), path) for path in paths])) == 4
    assert numbers(judged(paths))["slice_count"] == 4.0


def test_an_enhanced_ct_is_a_series_of_its_frames(samples: Path) -> None:
    path = samples / "eCT_Supplemental.dcm"
    header, _ = read_header(path)
    assert is_slice(header)
    slices = read_slices([(InstanceDigest("a"), path)])
    assert sorted(one.frame for one in slices) == [0, 1]
    assert len({one.place_mm for one in slices} - {None}) == 2
    values = numbers(judged([path]))
    assert values["slice_count"] == 2.0
    assert values["slice_distance"] > 0


def test_what_was_marked_is_kept(tmp_path: Path) -> None:
    judgement = judged(making.write_series(tmp_path, [making.with_metal(making.body_ct())], "CT"))
    snapshot = load_snapshot(dump_snapshot(judgement.snapshot))
    assert snapshot.slices == judgement.snapshot.slices
    (mark,), (before,) = snapshot.masks, judgement.snapshot.masks
    assert (mark.measurement, mark.index) == (before.measurement, before.index)
    assert (mark.mask == before.mask).all()


def test_which_objects_are_slices(tmp_path: Path) -> None:
    (path,) = making.write_series(tmp_path, [making.body_ct()], "CT")
    header, _ = read_header(path)
    assert is_slice(header)
    for other in (
        replace(header, sop_class_uid="1.2.840.10008.5.1.4.1.1.7"),
        replace(header, modality="PT"),  # of the class of CT
        replace(header, modality="MR"),
        replace(header, has_pixels=False),
        replace(header, samples_per_pixel=3, photometric_interpretation="RGB"),
    ):
        assert not is_slice(other)


@pytest.mark.more
def test_a_ghost_a_wrap_and_a_dark_slice_are_seen(tmp_path: Path) -> None:
    plain = [making.head_mr(seed=seed) for seed in range(5)]
    ghosts = [image + 0.1 * np.roll(image, making.SIDE // 2, axis=0) for image in plain]
    assert numbers(judged(making.write_series(tmp_path / "a", ghosts, "MR")))["mr_ghost"] == pytest.approx(10, abs=3)
    folded = [np.roll(making.head_mr(seed=seed, texture=0.1), 60, axis=0) for seed in range(5)]
    wrapped = judged(making.write_series(tmp_path / "b", folded, "MR"))
    assert numbers(wrapped)["mr_wrap"] > 40
    assert {mark.measurement for mark in wrapped.snapshot.masks} == {"mr_wrap"}
    dark = [image * (0.5 if index == 2 else 1.0) for index, image in enumerate(plain)]
    assert numbers(judged(making.write_series(tmp_path / "c", dark, "MR")))["slice_jump"] == pytest.approx(50, abs=3)


@pytest.mark.more
def test_a_slice_of_another_size_leaves_no_gap_and_is_named(tmp_path: Path) -> None:
    body = making.write_series(tmp_path / "a", [making.body_ct(seed=seed) for seed in range(12)], "CT")
    images = [making.body_ct()[::2, ::2]]
    small = making.write_series(tmp_path / "b", images, "CT", places_mm=[20.0], first=50)  # instead of the fifth
    judgement = judged([*body[:4], *small, *body[5:7], *body[8:]])
    values = numbers(judgement)
    assert (values["slice_count"], values["slice_gaps"], values["slice_gap_largest"]) == (10.0, 1.0, 10.0)
    (gaps,) = [one for one in judgement.assessment.measurements if one.name == "slice_gaps"]
    assert "between slices 7 and 8" in gaps.place, "the one that is missing"
    (issue,) = [one for one in judgement.assessment.plausibility if one.name == "slice_sizes_differ"]
    assert "96 × 96 pixels instead of 192 × 192" in issue.message


@pytest.mark.more
def test_magnitude_images_give_the_signal_to_noise_that_they_were_made_with(tmp_path: Path) -> None:
    # Noise of few grey levels has a median absolute deviation in coarse steps.
    images = [30.0 * making.head_mr(signal=600.0, air=10.0, seed=seed) for seed in range(5)]
    values = numbers(judged(making.write_series(tmp_path, images, "MR")))
    assert values["mr_snrd"] == pytest.approx(60.0, rel=0.05)
    # The median of a squared Rayleigh variable is 2 σ² ln 2.
    assert values["mr_fber"] == pytest.approx(600.0**2 / (200.0 * np.log(2.0)), rel=0.1)
    assert values["mr_wrap"] == 0.0
    assert values["mr_ghost"] < 0.2
    assert values["slice_jump"] < 1.0
    assert 0.0 < values["mr_efc"] < 1.0
