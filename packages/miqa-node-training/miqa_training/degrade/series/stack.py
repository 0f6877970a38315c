"""A real stack of slices in memory: headers and values of the modality, for simulators that change both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.pixels.frame import decode_frame
from miqa_node.stages.measure.slices import read_slices
from miqa_node.stages.measure.stack import same_plane

Values = NDArray[np.float32]
MAX_PIXELS = 10**8
AIR_HU = -1000.0


@dataclass(frozen=True, slots=True)
class RealStack:
    """The slices of one plane in spatial order; ``values`` has shape (slices, rows, columns)."""

    headers: tuple[Dataset, ...]
    values: Values

    def __len__(self) -> int:
        return len(self.headers)

    @property
    def spacing_mm(self) -> float:
        """Pixel pitch."""
        return float(self.headers[0].PixelSpacing[0])

    def part(self, places: Sequence[int]) -> RealStack:
        """These slices, in this order."""
        return RealStack(tuple(self.headers[place] for place in places), self.values[list(places)])

    def showing(self, values: Values) -> RealStack:
        """Other pixels under the same headers."""
        return RealStack(self.headers, np.asarray(values, np.float32))

    def described(self, change: Callable[[int, Dataset], None]) -> RealStack:
        """Copies of the headers, each changed."""
        headers = tuple(deepcopy(one) for one in self.headers)
        for place, header in enumerate(headers):
            change(place, header)
        return RealStack(headers, self.values)


SeriesFault = Callable[[RealStack, np.random.Generator], RealStack]
"""Puts a fault into a stack; the stack that it was given stays as it was."""


def read_stack(paths: Sequence[Path]) -> RealStack:
    """ValueError if the files have no stack of classic single-frame slices."""
    slices = same_plane(read_slices([(InstanceDigest(path.as_posix()), path) for path in paths]))
    if not slices:
        raise ValueError("The files have no stack of slices.")
    headers, values = [], []
    for one in slices:
        header = dcmread(one.path, stop_before_pixels=True, force=True)
        frame = decode_frame(one.path, 0, MAX_PIXELS)
        shown = one.values(frame.stored)
        if frame.valid is not None:
            shown = np.where(frame.valid, shown, np.float32(AIR_HU if header.Modality == "CT" else 0.0))
        headers.append(header)
        values.append(shown)
    return RealStack(tuple(headers), np.stack(values))


def write_stack(stack: RealStack, folder: Path) -> list[Path]:
    """One uncompressed file for each slice, with SOP Instance UIDs of its own; other elements stay."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for place, (header, values) in enumerate(zip(stack.headers, stack.values, strict=True)):
        path = folder / f"{place:05}.dcm"
        _file(header, values).save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _file(header: Dataset, values: Values) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = header.SOPClassUID
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", deepcopy(header), file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    intercept = float(header.get("RescaleIntercept") or 0.0)
    slope = float(header.get("RescaleSlope") or 1.0)
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit", "SmallestImagePixelValue", "LargestImagePixelValue"):
        if keyword in dataset:
            del dataset[keyword]
    stored = np.clip(np.rint((values - intercept) / slope), -32768, 32767).astype("<i2")
    dataset.PixelData = stored.tobytes()
    return dataset
