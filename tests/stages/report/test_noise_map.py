"""The map of a CT series' noise: a Parametric Map with the values that are in the slices, where they are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset

from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.domain.verdict import Disposition, Verdict
from miqa_node.stages.report.made import MadeObject
from miqa_node.stages.report.make import make_objects
from miqa_node.stages.report.series.extra import LIBRARIES
from miqa_node.stages.report.stack import ReportedSeries
from tests.stages.measure.series import making
from tests.stages.measure.series.test_measures import judged
from tests.stages.report import making as images
from tests.stages.report.flagged import decode
from tests.stages.report.making import read

NOISE_MAP = ResultKind("NOISE_MAP")

ACCEPTED = Disposition(Verdict.ACCEPT, (), "2026-11", "CT series")
Change = Callable[[FileDataset], None]
SIDE_PX = 3


"""Pixels of 2 mm: blocks of 6 mm."""


@pytest.fixture(autouse=True)
def libraries() -> None:
    for name in LIBRARIES:
        pytest.importorskip(name)


def maps(
    folder: Path, noise_hu: list[making.Image], modality: str = "CT", change: Change | None = None
) -> list[MadeObject]:
    paths = making.write_series(folder, noise_hu, modality, change=change)
    judgement = judged(paths)
    where = {one[0]: path for one, path in zip(judgement.snapshot.slices, paths, strict=True)}
    slices = [(where[digest], frame) for digest, frame in judgement.snapshot.slices]
    return list(make_objects(ReportedSeries(slices, (), (), decode), judgement.assessment, ACCEPTED, kinds={NOISE_MAP}))


def values(made: Dataset) -> dict[float, np.ndarray]:
    """Real world values in HU by the place of their frame, NaN where there is none."""
    [mapping] = made.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    stored = made.pixel_array.reshape(made.NumberOfFrames, made.Rows, made.Columns).astype(float)
    stored[stored == made.PixelPaddingValue] = np.nan
    frames = stored * mapping.RealWorldValueSlope + mapping.RealWorldValueIntercept
    places = [
        float(one.PlanePositionSequence[0].ImagePositionPatient[2]) for one in made.PerFrameFunctionalGroupsSequence
    ]
    return dict(zip(places, frames, strict=True))


def uneven(seed: int) -> making.Image:
    """A body with 10 HU of noise, and 30 in a square right of the middle and above it."""
    image = making.body_ct(10.0, seed=seed)
    random = np.random.default_rng(100 + seed)
    image[60:78, 120:138] = 40.0 + random.normal(0.0, 30.0, (18, 18))
    return image


def test_values_are_the_noise_of_each_slice_in_hounsfield_units(tmp_path: Path) -> None:
    noise = [8.0, 20.0, 8.0]
    [made] = maps(tmp_path, [making.body_ct(hu, seed=n) for n, hu in enumerate(noise)])
    by_place = values(read(made))
    assert [float(np.nanmedian(by_place[5.0 * n])) for n in range(3)] == pytest.approx(noise, rel=0.1)
    [mapping] = read(made).SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[hnsf'U]"
    [quantity] = mapping.QuantityDefinitionSequence
    assert quantity.ConceptCodeSequence[0].CodeValue == "CT_NOISE"


def test_only_soft_tissue_has_values(tmp_path: Path) -> None:
    image = making.body_ct(10.0)
    image[90:105, 60:75] = 500.0  # bone
    [made] = maps(tmp_path, [image] * 3)
    frame = values(read(made))[0.0]
    assert np.isnan(frame[0]).all()
    assert np.isnan(frame[30:35, 20:25]).all()
    assert np.isfinite(frame[30:35, 35:40]).all()


def test_the_same_series_gives_the_same_bytes(tmp_path: Path) -> None:
    first, again = (maps(tmp_path, [making.body_ct(seed=n) for n in range(3)]) for _ in range(2))
    assert [one.sop_instance_uid for one in first] == [one.sop_instance_uid for one in again]
    ours, theirs = read(first[0]), read(again[0])
    for ds in (ours, theirs):  # two judgements, at two times
        del ds.ContentTime, ds.InstanceCreationTime
    assert ours == theirs


def test_a_slice_that_cannot_be_decoded_is_empty(tmp_path: Path) -> None:
    def cut(dataset: FileDataset) -> None:
        if dataset.InstanceNumber == 2:
            dataset.PixelData = dataset.PixelData[:-500]

    [made] = maps(tmp_path, [making.body_ct(seed=n) for n in range(4)], change=cut)
    by_place = values(read(made))
    assert len(by_place) == 4
    assert np.isnan(by_place[5.0]).all()
    assert np.isfinite(by_place[10.0]).any()


def test_nobody_gets_one_who_does_not_ask(tmp_path: Path) -> None:
    assert NOISE_MAP not in default_kinds()


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "ImagePositionPatient"])
def test_slices_without_a_place_have_none(tmp_path: Path, keyword: str) -> None:
    def change(dataset: FileDataset) -> None:
        del dataset[keyword]

    assert maps(tmp_path, [making.body_ct(seed=n) for n in range(3)], change=change) == []


def test_there_is_none_of_mr_of_a_radiograph_and_without_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert maps(tmp_path / "mr", [making.head_mr(seed=n) for n in range(3)], "MR") == []
    assert [one.kind for one in images.flagged(images.CHEST, [NOISE_MAP, ResultKind("SR")])] == ["SR"]
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)
    assert maps(tmp_path / "ct", [making.body_ct(seed=n) for n in range(3)]) == []


def test_blocks_that_do_not_divide_the_slice_are_as_large_as_they_are_said_to_be(tmp_path: Path) -> None:
    """Of 44 rows of 1 mm six blocks of 7 fit; 44 / 6 would be another size."""

    def small(dataset: FileDataset) -> None:
        dataset.PixelSpacing = [1.0, 1.0]

    image = np.full((44, 46), 40.0) + np.random.default_rng(1).normal(0.0, 10.0, (44, 46))
    image[:4], image[:, :4] = -1000.0, -1000.0
    [made] = maps(tmp_path, [image] * 3, change=small)
    ds = read(made)
    assert (ds.Rows, ds.Columns) == (6, 6)
    assert [float(one) for one in ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing] == [7, 7]


def test_spacings_that_differ_by_rounding_give_blocks_of_one_size(tmp_path: Path) -> None:
    """6 mm are 3.50001 pixels of one slice and 3.49995 of the others, that is 5 or 3 to the next odd number."""

    def round_off(dataset: FileDataset) -> None:
        dataset.PixelSpacing = ["1.71428" if dataset.InstanceNumber == 1 else "1.71431"] * 2

    [made] = maps(tmp_path, [making.body_ct(seed=n) for n in range(3)], change=round_off)
    assert all(np.isfinite(frame).any() for frame in values(read(made)).values())


def test_what_highdicom_refuses_stops_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import highdicom.pm

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("the slices are odd")

    monkeypatch.setattr(highdicom.pm, "ParametricMap", refuse)
    paths = making.write_series(tmp_path, [making.body_ct(seed=n) for n in range(3)], "CT")
    judgement = judged(paths)
    subject = ReportedSeries([(path, 0) for path in paths], (), (), decode)
    made = make_objects(subject, judgement.assessment, replace(ACCEPTED), kinds={NOISE_MAP, ResultKind("SR")})
    assert [one.kind for one in made] == ["SR"]


@pytest.mark.more
def test_it_lies_on_the_geometry_of_the_series(tmp_path: Path) -> None:
    """The noisy square is found where the headers of map and slices both place it."""
    [made] = maps(tmp_path, [uneven(n) for n in range(12)])
    ds, source = read(made), making.read(tmp_path / "CT001.dcm")
    assert source.FrameOfReferenceUID == ds.FrameOfReferenceUID
    [shared] = ds.SharedFunctionalGroupsSequence
    [measures] = shared.PixelMeasuresSequence
    assert [float(one) for one in measures.PixelSpacing] == [SIDE_PX * making.SPACING_MM] * 2
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == source.ImageOrientationPatient
    rows, columns = np.nonzero(np.nan_to_num(list(values(ds).values())).mean(axis=0) > 20.0)
    first = np.array([float(one) for one in source.ImagePositionPatient[:2]])
    expected = first + making.SPACING_MM * np.array([128.5, 68.5])  # the middles of columns 120–137, rows 60–77
    for frame in ds.PerFrameFunctionalGroupsSequence:
        x, y, z = (float(one) for one in frame.PlanePositionSequence[0].ImagePositionPatient)
        assert [x + columns.mean() * 6.0, y + rows.mean() * 6.0] == pytest.approx(expected, abs=0.5)
        image = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert image == f"{making.SERIES}.{round(z / 5.0) + 1}"
