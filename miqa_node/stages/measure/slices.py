"""Reads the position of each slice of a CT or MR series, and the rescaling of its stored values."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.dicom.bytes.head import read_head, read_some
from miqa_node.dicom.bytes.numbers import first_number, numbers
from miqa_node.errors import DecodeLimitError
from miqa_node.runtime.workers.spread import Spread

Vector = tuple[float, ...]
COMPUTED_KINDS = frozenset(
    {
        "3D", "ADC", "CBF", "CBV", "CPR", "CURVED", "FA", "MIN_IP", "MINIP", "MIP", "MPR", "MTT", "PARALLEL",
        "PERFUSION", "PROJECTION IMAGE", "RADIAL", "RCBF", "RCBV", "REFORMATTED", "RESAMPLED", "SSD", "SUBTRACTION",
        "T1 MAP", "T2 MAP", "T2_STAR MAP", "TTP", "VOLUME RENDERING", "VRT",
    }
)  # fmt: skip
"""Values of Image Type that say how a DERIVED image was made (PS3.3 C.8.2.1.1.1, C.8.3.1.1.1, C.8.16.1; makers' own).

Without one of them DERIVED may mean no more than another encoding. Of an ORIGINAL image they say nothing: some scanners
call every oblique plane MPR.
"""
_KEYWORDS = (
    "CTDIvol", "DiffusionBValue", "EchoTime", "Exposure", "ExposureTime", "FrameOfReferenceUID",
    "ImageOrientationPatient", "ImagePositionPatient", "ImageType",
    "InPlanePhaseEncodingDirection", "InstanceNumber", "KVP", "NumberOfFrames", "NumberOfSeriesRelatedInstances",
    "NumberOfSlices", "PerFrameFunctionalGroupsSequence", "PixelSpacing",
    "QualityControlImage", "RescaleIntercept", "RescaleSlope", "Rows", "Columns", "SeriesInstanceUID",
    "SharedFunctionalGroupsSequence", "SliceThickness", "SpiralPitchFactor", "TemporalPositionIdentifier",
    "XRayTubeCurrent",
)  # fmt: skip
TAGS = frozenset(tag for keyword in _KEYWORDS if (tag := tag_for_keyword(keyword)) is not None)
"""What is read of a header."""
LONGEST_ROTATION_MS = 4000.0
LEAST_FRAME_BYTES = 8
"""A compressed frame has at least the head of an item (PS3.5 A.4)."""


class ImageCounts(NamedTuple):
    """How many images the header announces; 0 where it does not say."""

    series: int = 0
    """Number of Series Related Instances (0020,1209): of the series."""
    slices: int = 0
    """Number of Slices (0054,0081): places of one volume."""


NO_COUNTS = ImageCounts()


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: an instance, or a frame of an enhanced one, counted from 0.

    Geometry is that of PS3.3 C.7.6.2, in mm; None where the header lacks it. ``phase_columns`` says whether phase was
    encoded along the columns (True), along the rows (False), or unknown (None).
    """

    digest: InstanceDigest
    path: Path
    frame: int
    number: int
    rows: int
    columns: int
    position_mm: Vector | None
    orientation: Vector | None
    spacing_mm: tuple[float, float] | None
    thickness_mm: float | None
    slope: float
    intercept: float
    ctdi_vol_mgy: float | None
    phase_columns: bool | None
    is_localizer: bool
    is_computed: bool = False
    """Whether it was made from other images: a reformat, a projection, a map of parameters."""
    announced: ImageCounts = NO_COUNTS
    tube_kv: float | None = None
    rotation_mas: float | None = None
    """Tube current times the time of one rotation, over the pitch; None where the header does not say so surely."""
    contrast: tuple[float | str | None, ...] = ()
    """Values that distinguish volumes at one place: b-value, echo time, temporal position, component of the signal."""
    quality_control: bool = False
    """Whether Quality Control Image (0028,0300) says that the slice shows a phantom and no patient."""
    series_instance_uid: str = ""
    frame_of_reference_uid: str = ""

    @property
    def place_mm(self) -> float | None:
        """Position of the slice along the normal of its plane, in mm."""
        if self.position_mm is None or self.orientation is None:
            return None
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return float(normal @ np.array(self.position_mm))

    def values(self, stored: NDArray[np.integer]) -> NDArray[np.float32]:
        """Stored values converted to those of the modality (Hounsfield units in CT)."""
        return stored.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)


HERE = Spread()


def read_slices(files: Iterable[tuple[InstanceDigest, Path]], spread: Spread = HERE) -> list[Slice]:
    """The slices of a series in spatial order, else by instance number; localizers last.

    Files that are not DICOM are left out: they were stored, but have no position.
    """
    read = spread.each(_read, list(files))
    slices = [one for of_file in read if not isinstance(of_file, DecodeLimitError) for one in of_file]
    placed = all(one.place_mm is not None for one in slices if not one.is_localizer)
    return sorted(slices, key=lambda s: (s.is_localizer, (s.place_mm or 0.0) if placed else 0.0, s.number, s.digest))


def same_plane(slices: Sequence[Slice]) -> list[Slice]:
    """The slices of the stack: without localizers, and only the most frequent size and orientation.

    What was computed from others is in it only if nothing else is there. Of slices of several series, which are put
    together here, also only the most frequent Frame of Reference.
    """
    body = [one for one in slices if not one.is_localizer]
    body = [one for one in body if not one.is_computed] or body
    several = len({one.series_instance_uid for one in body}) > 1
    frames = [one.frame_of_reference_uid if several else "" for one in body]
    kinds = [(one.rows, one.columns, _rounded(one.orientation), frame) for one, frame in zip(body, frames, strict=True)]
    if not kinds:
        return []
    main = max(dict.fromkeys(kinds), key=kinds.count)
    return [one for one, kind in zip(body, kinds, strict=True) if kind == main]


def of_other_sizes(slices: Sequence[Slice], stack: Sequence[Slice]) -> list[Slice]:
    """Slices with the orientation of the stack in another size: they are in their places, but not measured with it."""

    def differs(one: Slice) -> bool:
        return not one.is_localizer and (one.rows, one.columns) != (stack[0].rows, stack[0].columns)

    kind = stack[0].is_computed if stack else False
    same = [one for one in slices if differs(one) and one.is_computed == kind]
    return [one for one in same if _rounded(one.orientation) == _rounded(stack[0].orientation)]


@dataclass(frozen=True, slots=True)
class OddMembers:
    """What came with a stack and does not belong to it."""

    localizers: list[Slice]
    computed: list[Slice]
    turned: list[Slice]
    """Of another orientation or Frame of Reference."""
    captures: list[Slice]
    """They have no orientation."""


def odd_members(slices: Sequence[Slice], stack: Sequence[Slice]) -> OddMembers:
    """All slices outside the stack, by the reason; those of another size have an issue of their own."""
    stacked = {id(one) for one in (*stack, *of_other_sizes(slices, stack))}
    odd = OddMembers([], [], [], [])
    for one in slices:
        if id(one) in stacked:
            continue
        placed = odd.turned if one.orientation is not None else odd.captures
        (odd.localizers if one.is_localizer else odd.computed if one.is_computed else placed).append(one)
    return odd


def volumes(slices: Sequence[Slice]) -> list[list[int]]:
    """The slices by volume, as indices in spatial order: each volume has one slice at each place.

    Volumes differ in b-value, echo, phase or component of the signal. If the header does not tell them apart, the
    first slices at each place, by Instance Number, form the first volume.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    ranks: dict[tuple[object, ...], int] = {}
    for index in sorted(range(len(slices)), key=lambda i: (slices[i].number, slices[i].digest, slices[i].frame)):
        one = slices[index]
        place = None if one.place_mm is None else round(one.place_mm, 2)
        rank = 0 if place is None else ranks.get((one.contrast, place), 0)
        ranks[one.contrast, place] = rank + 1
        groups.setdefault((one.contrast, rank), []).append(index)
    return [sorted(indices) for indices in groups.values()]


class OfSlice(Protocol):
    """What was taken of one slice."""

    @property
    def position(self) -> int:
        """Of the slice in the series."""


InVolume = TypeVar("InVolume", bound=OfSlice)


def by_volume(slices: Sequence[Slice], parts: Iterable[InVolume]) -> list[list[InVolume]]:
    """What was taken of single slices, by volume in spatial order; slices of which nothing was taken are left out."""
    of_position = {part.position: part for part in parts}
    return [[of_position[index] for index in of if index in of_position] for of in volumes(slices)]


def _read(file: tuple[InstanceDigest, Path]) -> list[Slice]:
    digest, path = file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values become None below
        try:
            ds = _header(path)
            frames = first_number(ds, "NumberOfFrames") or 1.0
            if not 1.0 <= frames <= path.stat().st_size / LEAST_FRAME_BYTES:
                frames = 1.0  # decoding it will say what is wrong
            return [_slice(ds, digest, path, frame) for frame in range(int(frames))]
        except Exception:  # noqa: BLE001 - besides those of files, any that pydicom raises for a damaged value
            return []


def _header(path: Path) -> Dataset:
    """Its elements; of an enhanced image whose groups are too long to be picked out, the whole header."""
    ds = read_some(path, TAGS)
    is_long = (first_number(ds, "NumberOfFrames") or 1.0) > 1.0 and "PerFrameFunctionalGroupsSequence" not in ds
    return read_head(path, force=True) if is_long else ds


def _slice(ds: Dataset, digest: InstanceDigest, path: Path, frame: int) -> Slice:
    plane = _group(ds, frame, "PlanePositionSequence")
    turned = _group(ds, frame, "PlaneOrientationSequence")
    measures = _group(ds, frame, "PixelMeasuresSequence")
    transform = _group(ds, frame, "PixelValueTransformationSequence")
    exposure = _group(ds, frame, "CTExposureSequence")
    encoding = _group(ds, frame, "MRFOVGeometrySequence")
    direction = encoding.get("InPlanePhaseEncodingDirection") or ""
    slope = first_number(transform, "RescaleSlope")
    spacing = numbers(measures, "PixelSpacing", 2)
    image_type = _image_type(ds, frame)
    return Slice(
        digest=digest,
        path=path,
        frame=frame,
        number=int(first_number(ds, "InstanceNumber") or 0) + frame,
        rows=int(first_number(ds, "Rows") or 0),
        columns=int(first_number(ds, "Columns") or 0),
        position_mm=numbers(plane, "ImagePositionPatient", 3),
        orientation=numbers(turned, "ImageOrientationPatient", 6),
        spacing_mm=(spacing[0], spacing[1]) if spacing and min(spacing) > 0 else None,
        thickness_mm=first_number(measures, "SliceThickness"),
        slope=1.0 if slope is None else slope,
        intercept=first_number(transform, "RescaleIntercept") or 0.0,
        ctdi_vol_mgy=first_number(exposure, "CTDIvol"),
        phase_columns={"COL": True, "COLUMN": True, "ROW": False}.get(str(direction)),
        is_localizer="LOCALIZER" in image_type,
        is_computed=_is_computed(image_type),
        announced=ImageCounts(
            int(first_number(ds, "NumberOfSeriesRelatedInstances") or 0),
            int(first_number(ds, "NumberOfSlices") or 0),
        ),
        tube_kv=first_number(_group(ds, frame, "CTXRayDetailsSequence"), "KVP"),
        rotation_mas=_rotation_mas(ds, exposure),
        contrast=_contrast(ds, frame),
        quality_control=str(ds.get("QualityControlImage") or "").strip() == "YES",
        series_instance_uid=str(ds.get("SeriesInstanceUID") or ""),
        frame_of_reference_uid=str(ds.get("FrameOfReferenceUID") or ""),
    )


def _rotation_mas(ds: Dataset, exposure: Dataset) -> float | None:
    """The larger of Exposure and current × time, if the time can be that of one rotation.

    Exposure Time is that of the whole scan in some headers; Exposure is that of a part of the detector in others.
    """
    current, time_ms = first_number(ds, "XRayTubeCurrent") or 0.0, first_number(ds, "ExposureTime") or 0.0
    product = current * time_ms / 1000.0 / (first_number(ds, "SpiralPitchFactor") or 1.0)
    entry = first_number(exposure, "ExposureInmAs") or first_number(ds, "Exposure") or 0.0
    return max(entry, product if time_ms <= LONGEST_ROTATION_MS else 0.0) or None


def _contrast(ds: Dataset, frame: int) -> tuple[float | str | None, ...]:
    image_type = _image_type(ds, frame)
    return (
        first_number(_group(ds, frame, "MRDiffusionSequence"), "DiffusionBValue"),
        first_number(_group(ds, frame, "MREchoSequence"), "EffectiveEchoTime") or first_number(ds, "EchoTime"),
        first_number(_group(ds, frame, "FrameContentSequence"), "TemporalPositionIndex")
        or first_number(ds, "TemporalPositionIdentifier"),
        image_type[2] if len(image_type) > 2 else "",
    )


def _image_type(ds: Dataset, frame: int) -> list[str]:
    """The values of Image Type, of an enhanced image those of Frame Type."""
    for keyword in ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence"):
        if frame_type := _group(ds, frame, keyword).get("FrameType"):
            return [str(part).strip().upper() for part in frame_type]
    return [str(part).strip().upper() for part in ds.get("ImageType") or []]


def _is_computed(image_type: Sequence[str]) -> bool:
    kinds = {word for part in image_type[2:] for word in (part, part.removeprefix("CSA "))}
    return image_type[:1] == ["DERIVED"] and not COMPUTED_KINDS.isdisjoint(kinds)


def _group(ds: Dataset, frame: int, keyword: str) -> Dataset:
    """The item of an enhanced image with the elements: the frame's group, the shared one, else the data set itself."""
    per_frame = ds.get("PerFrameFunctionalGroupsSequence") or []
    for groups in (per_frame[frame : frame + 1], ds.get("SharedFunctionalGroupsSequence") or []):
        if groups and groups[0].get(keyword):
            group: Dataset = groups[0][keyword].value[0]
            return group
    return ds


def _rounded(orientation: Vector | None) -> Vector | None:
    return None if orientation is None else tuple(round(value, 3) for value in orientation)
