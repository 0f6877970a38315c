"""The images that the benchmarks send: a 2048 × 2048 chest CR made of the public sample RG1, under many UIDs."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
from pydicom import dcmread, dcmwrite

from demo.samples import make_samples
from miqa_node.core.domain.finding import FindingName
from miqa_node.stages.report.uids import derive_uid
from miqa_selftest.radiographs import SampleImage

SIDE = 2048


def radiographs(count: int, salt: str) -> list[SampleImage]:
    """``count`` different images in turn as taken and with simulated motion; ``salt`` makes their UIDs differ."""
    samples = make_samples()
    kinds = [samples[0], next(s for s in samples if s.simulated == FindingName.MOTION_BLUR)]
    enlarged = [_enlarge(sample) for sample in kinds]
    return [_renamed(enlarged[n % len(enlarged)], f"{salt}-{n}") for n in range(count)]


def _enlarge(sample: SampleImage) -> SampleImage:
    dataset = dcmread(BytesIO(sample.data))
    pixels = cv2.resize(dataset.pixel_array, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    dataset.Rows = dataset.Columns = SIDE
    dataset.PixelData = np.clip(pixels, 0, 2**dataset.BitsStored - 1).astype("<u2").tobytes()
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return _with(sample, file.getvalue(), sample.sop_instance_uid)


def _renamed(sample: SampleImage, name: str) -> SampleImage:
    dataset = dcmread(BytesIO(sample.data))
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(dataset, keyword, derive_uid("benchmark", name, keyword))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    file = BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return _with(sample, file.getvalue(), str(dataset.SOPInstanceUID))


def _with(sample: SampleImage, data: bytes, uid: str) -> SampleImage:
    return SampleImage(sample.title, sample.sop_class_uid, uid, sample.study_instance_uid, data, sample.expected)
