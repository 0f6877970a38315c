"""Numbers of a series belong to what it shows: not to the encoding, the order of files, threads or processes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import EnhancedMRImageStorage, generate_uid

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.shown_number import shown_number
from miqa_node.dicom.bytes.headers import read_header
from miqa_node.runtime.workers.child import decode_here
from miqa_node.runtime.workers.spread import Spread
from miqa_node.stages.assess.series import judge_series
from miqa_node.stages.measure.series_view import SliceTools
from miqa_node.stages.units.kinds import series_traits
from tests.stages.measure.drawn_series import heads, issues, judged, value, write
from tests.stages.measure.test_volume_signs import Tell, three_volumes

pytestmark = pytest.mark.more

ROOT = Path(__file__).parents[3]
DECODE = partial(decode_here, max_pixels=10**7)


def item(**elements: object) -> Items:
    """A sequence of one item."""
    one = Dataset()
    for keyword, element in elements.items():
        setattr(one, keyword, element)
    return Items([one])


def enhanced(paths: list[Path], out: Path) -> Path:
    """The same slices as frames of one Enhanced MR Image."""
    slices = [pydicom.dcmread(path) for path in paths]
    ds = pydicom.dcmread(paths[0])
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.NumberOfFrames = len(slices)
    shared, frames = Dataset(), []
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=ds.ImageOrientationPatient)
    shared.PixelMeasuresSequence = item(PixelSpacing=ds.PixelSpacing, SliceThickness=ds.SliceThickness)
    shared.MRFOVGeometrySequence = item(InPlanePhaseEncodingDirection="COLUMN")
    shared.MRImageFrameTypeSequence = item(
        FrameType=["ORIGINAL", "PRIMARY", "M", "NONE"], ComplexImageComponent="MAGNITUDE", AcquisitionContrast="T1"
    )
    for one in slices:
        frame = Dataset()
        frame.PlanePositionSequence = item(ImagePositionPatient=one.ImagePositionPatient)
        frame.MREchoSequence = item(EffectiveEchoTime=float(one.EchoTime))
        frame.FrameContentSequence = item(
            FrameAcquisitionNumber=one.get("AcquisitionNumber"),
            TemporalPositionIndex=one.get("TemporalPositionIdentifier"),
        )
        if "DiffusionBValue" in one:
            frame.MRDiffusionSequence = item(DiffusionBValue=one.DiffusionBValue)
        frames.append(frame)
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = Items([shared]), Items(frames)
    for keyword in (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "EchoTime",
        "InPlanePhaseEncodingDirection", "ScanningSequence", "SequenceVariant", "AcquisitionNumber",
        "TemporalPositionIdentifier", "DiffusionBValue",
    ):  # fmt: skip
        if keyword in ds:
            delattr(ds, keyword)
    ds.PixelData = b"".join(one.PixelData for one in slices)
    ds.save_as(out, enforce_file_format=True)
    return out


def acquisition(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.AcquisitionNumber = volume + 1


def temporal(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.TemporalPositionIdentifier = volume + 1


def echo(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.EchoTime = str(10 + 20 * volume)


def b_value(ds: FileDataset, volume: int, slice_number: int) -> None:
    ds.DiffusionBValue = 500.0 * volume


@pytest.mark.parametrize("tell", [acquisition, temporal, echo, b_value], ids=lambda one: one.__name__)
def test_frames_of_an_enhanced_image_have_the_numbers_of_single_slices(tell: Tell, tmp_path: Path) -> None:
    paths = three_volumes(tmp_path / "classic", tell)
    classic, of_classic = judged(paths)
    frames, of_frames = judged([enhanced(paths, tmp_path / "enhanced.dcm")])
    assert {one.name: one.value for one in frames.measurements} == {one.name: one.value for one in classic.measurements}
    assert of_frames.verdict is of_classic.verdict
    assert set(issues(frames)) == set(issues(classic))


def numbers(paths: list[Path], spread: Spread) -> dict[str, tuple[float, str]]:
    """By name, with the place."""
    header = read_header(paths[-1])[0]
    files = [(InstanceDigest(path.stem), path) for path in paths]
    tools = SliceTools(DECODE, spread, DECODE)
    assessment = judge_series(header, series_traits(header), files[-1][0], files, tools, 10**4).assessment
    return {one.name: (one.value, str(one.place)) for one in assessment.measurements}


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_and_the_order_of_files_change_no_number(threads: int, tmp_path: Path) -> None:
    """Motion had a seed of its own in each run: the same 60 files gave 28.4 to 32.3 mm."""
    count = iter(range(1000))

    def repeated(ds: Dataset) -> None:
        volume, place = divmod(next(count), 8)
        ds.AcquisitionNumber, ds.ImagePositionPatient = volume + 1, [-120.0, -120.0 + 5 * volume, 3.0 * place]

    images = [one for volume in range(3) for one in heads(8, seed=volume, side=96)]
    paths = write(tmp_path, images, "MR", repeated)
    expected = numbers(paths, Spread())
    assert {"mr_motion", "mr_noise", "slice_disorder"} - set(expected) <= {"mr_noise"}
    mixed = list(paths)
    random.Random(threads).shuffle(mixed)
    in_threads = Spread(lambda function, *arguments: function(*arguments), threads)
    assert numbers(mixed, in_threads) == expected


def test_a_series_without_positions_keeps_the_order_of_its_numbers(tmp_path: Path) -> None:
    def placeless(ds: Dataset) -> None:
        del ds.ImagePositionPatient, ds.ImageOrientationPatient

    paths = write(tmp_path, heads(8, side=96), "MR", placeless)
    first, _ = judged(paths)
    again, _ = judged([*reversed(paths[:-1]), paths[-1]])
    assert value(first, "slice_disorder") is not None
    assert [(one.name, one.value) for one in again.measurements] == [
        (one.name, one.value) for one in first.measurements
    ]


def test_another_process_and_more_threads_of_the_libraries_show_the_same_numbers(tmp_path: Path) -> None:
    """Hashes of strings, and the threads of NumPy and OpenCV, differ from process to process."""
    images = [one for volume in range(2) for one in heads(8, seed=volume, side=96)]
    count = iter(range(1000))

    def repeated(ds: Dataset) -> None:
        volume, place = divmod(next(count), 8)
        ds.AcquisitionNumber, ds.ImagePositionPatient = volume + 1, [-120.0, -120.0 + 5 * volume, 3.0 * place]

    paths = [str(path) for path in write(tmp_path, images, "MR", repeated)]
    shown = [shown_elsewhere(paths[::step], seed) for seed, step in (("1", 1), ("2", -1))]
    assert shown[0] == shown[1]
    assert "mr_motion" in shown[0]
    assert shown[0] == shown_numbers([Path(path) for path in paths])


def shown_elsewhere(paths: list[str], seed: str) -> str:
    """What a process of its own shows of the files, with this seed and as many threads."""
    code = "import sys; from pathlib import Path; from tests.stages.measure.test_same_numbers import shown_numbers"
    command = [sys.executable, "-c", f"{code}; print(shown_numbers([Path(one) for one in sys.argv[1:]]))", *paths]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), seed)
    threads["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = seed
    environment = {**os.environ, **threads, "PYTHONHASHSEED": seed}
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout.removesuffix("\n")


def shown_numbers(paths: list[Path]) -> str:
    """Every measurement with the digits that people see, and its place."""
    newest = max(paths)
    assessment, _ = judged([*(one for one in paths if one != newest), newest])
    return "; ".join(f"{one.name} {shown_number(one.name, one.value)} {one.place}" for one in assessment.measurements)
