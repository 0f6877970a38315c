"""Reads the position of each slice of a CT or MR series, and the rescaling of its stored values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from miqa_node.core.domain.instance import InstanceDigest
from miqa_node.core.domain.slice_kind import SliceKind, kind_named
from miqa_node.dicom.bytes.head import read_head, read_some, tags_of
from miqa_node.dicom.bytes.numbers import first_number, numbers
from miqa_node.dicom.nearly import SAME_MM, written_unit
from miqa_node.errors import DecodeLimitError
from miqa_node.runtime.workers.spread import Spread
from miqa_node.stages.measure import signs, slice_facts
from miqa_node.stages.measure.groups import group_of
from miqa_node.stages.measure.signs import NO_SIGNS, VolumeSigns, signs_of
from miqa_node.stages.measure.slice_facts import kind_of_slice

Vector = tuple[float, ...]
_KEYWORDS = (
    "CTDIvol", "EchoTime", "Exposure", "ExposureTime", "FrameOfReferenceUID", "ImageOrientationPatient",
    "ImagePositionPatient", "ImageType", "InPlanePhaseEncodingDirection", "InstanceNumber",
    "KVP", "MagneticFieldStrength", "NumberOfFrames", "NumberOfSeriesRelatedInstances", "NumberOfSlices",
    "PerFrameFunctionalGroupsSequence",
    "PixelSpacing", "QualityControlImage", "RescaleIntercept", "RescaleSlope", "Rows", "Columns", "SOPInstanceUID",
    "SeriesInstanceUID", "SharedFunctionalGroupsSequence", "SliceLocation", "SliceThickness", "SpiralPitchFactor",
    "XRayTubeCurrent",
)  # fmt: skip
_NAMED = (*_KEYWORDS, *slice_facts.KEYWORDS, *signs.KEYWORDS)
TAGS = tags_of(_NAMED) | slice_facts.PRIVATE_TAGS
"""What is read of a header."""
LONGEST_ROTATION_MS = 4000.0
MOST_EXPOSURE = 2.0
"""Exposure over current × time, up to which both can be of one rotation."""
MOST_TESLA = 12.0
MOST_SCALE = 1e30
"""Of slope and intercept: what is more, or not a number, gives values that are not finite."""
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
    kind_name: str = ""
    """Of its row in the table of kinds."""
    announced: ImageCounts = NO_COUNTS
    tube_kv: float | None = None
    rotation_mas: float | None = None
    """Tube current times the time of one rotation, over the pitch; None where the header does not say so surely."""
    signs: VolumeSigns = NO_SIGNS
    """What may tell it from others at its place."""
    quality_control: bool = False
    """Whether Quality Control Image (0028,0300) says that the slice shows a phantom and no patient."""
    series_instance_uid: str = ""
    frame_of_reference_uid: str = ""
    uid: str = ""
    """SOP Instance UID."""
    location_mm: float | None = None
    """Slice Location (0020,1041)."""
    position_unit_mm: float = SAME_MM
    """One unit of the last digit of the position."""
    field_t: float | None = None
    """Magnetic Field Strength (0018,0087) in tesla; None where the header does not say."""

    @property
    def instance_number(self) -> int:
        """That of its object; ``number`` counts the frames of one on. 0 where the header lacks it."""
        return self.number - self.frame

    @property
    def kind(self) -> SliceKind:
        """What it is, before any limit."""
        return kind_named(self.kind_name)

    @property
    def is_localizer(self) -> bool:
        """Whether it is no part of any stack."""
        return self.kind.name == "localizer"

    @property
    def is_judged(self) -> bool:
        """Whether limits apply to slices of its kind."""
        return not self.kind.unjudged

    @property
    def place_mm(self) -> float | None:
        """Position of the slice along the normal of its plane, in mm."""
        if self.position_mm is None or self.orientation is None:
            return None
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return float(normal @ np.array(self.position_mm))

    @property
    def has_scale(self) -> bool:
        """Whether values of the modality follow from stored ones: the header may have a slope that is no number."""
        return abs(self.slope) < MOST_SCALE and abs(self.intercept) < MOST_SCALE

    def values(self, stored: NDArray[np.integer]) -> NDArray[np.float32]:
        """Stored values converted to those of the modality (Hounsfield units in CT); 0 where the scale is unknown."""
        if not self.has_scale:
            return np.zeros(stored.shape, np.float32)
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
    plane = group_of(ds, frame, "PlanePositionSequence")
    turned = group_of(ds, frame, "PlaneOrientationSequence")
    measures = group_of(ds, frame, "PixelMeasuresSequence")
    transform = group_of(ds, frame, "PixelValueTransformationSequence")
    exposure = group_of(ds, frame, "CTExposureSequence")
    encoding = group_of(ds, frame, "MRFOVGeometrySequence")
    direction = encoding.get("InPlanePhaseEncodingDirection") or ""
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
        thickness_mm=_length_mm(measures, "SliceThickness"),
        slope=_rescaling(transform, "RescaleSlope", 1.0),
        intercept=_rescaling(transform, "RescaleIntercept", 0.0),
        ctdi_vol_mgy=first_number(exposure, "CTDIvol"),
        phase_columns={"COL": True, "COLUMN": True, "ROW": False}.get(str(direction)),
        kind_name=kind_of_slice(ds, frame, image_type).name,
        announced=ImageCounts(
            int(first_number(ds, "NumberOfSeriesRelatedInstances") or 0),
            int(first_number(ds, "NumberOfSlices") or 0),
        ),
        tube_kv=first_number(group_of(ds, frame, "CTXRayDetailsSequence"), "KVP"),
        rotation_mas=_rotation_mas(ds, exposure),
        signs=signs_of(ds, frame, image_type),
        quality_control=str(ds.get("QualityControlImage") or "").strip() == "YES",
        series_instance_uid=str(ds.get("SeriesInstanceUID") or ""),
        frame_of_reference_uid=str(ds.get("FrameOfReferenceUID") or ""),
        uid=str(ds.get("SOPInstanceUID") or ""),
        location_mm=first_number(ds, "SliceLocation"),
        position_unit_mm=_position_unit_mm(plane),
        field_t=_field_t(ds),
    )


def _field_t(ds: Dataset) -> float | None:
    """Some makers write gauss or millitesla, some 0."""
    field = first_number(ds, "MagneticFieldStrength") or 0.0
    tesla = field / next((scale for scale in (1.0, 1e3, 1e4) if field <= MOST_TESLA * scale), math.inf)
    return tesla or None


def _length_mm(measures: Dataset, keyword: str) -> float | None:
    """None where the header has none, or one below 0, which no length has."""
    length = first_number(measures, keyword)
    return length if length is not None and length >= 0.0 else None


def _rescaling(transform: Dataset, keyword: str, usual: float) -> float:
    """Its number, ``usual`` where the header lacks it; NaN if the header has what is no finite number.

    Nothing is known of values then, and nothing is measured of them.
    """
    value = first_number(transform, keyword)
    if value is not None:
        return value
    is_empty = keyword not in transform or transform[keyword].value in (None, "")
    return usual if is_empty else math.nan


def _position_unit_mm(plane: Dataset) -> float:
    """Of the component with the most digits; numbers that are not text have more than they mean."""
    texts = [str(one) for one in plane.get("ImagePositionPatient") or ()]
    return max(SAME_MM, min((written_unit(text) for text in texts), default=SAME_MM))


def _rotation_mas(ds: Dataset, exposure: Dataset) -> float | None:
    """The larger of Exposure and current × time, if the time can be that of one rotation.

    Exposure Time is that of the whole scan in some headers; Exposure is that of a part of the detector in others, and
    in others again no mAs of a rotation: where it is a multiple of current × time nothing is sure.
    """
    current, time_ms = first_number(ds, "XRayTubeCurrent") or 0.0, first_number(ds, "ExposureTime") or 0.0
    product = current * time_ms / 1000.0 / (first_number(ds, "SpiralPitchFactor") or 1.0)
    entry = first_number(exposure, "ExposureInmAs") or first_number(ds, "Exposure") or 0.0
    if not 0.0 < time_ms <= LONGEST_ROTATION_MS or product <= 0.0:
        return entry or None
    return None if entry > MOST_EXPOSURE * product else max(entry, product)


def _image_type(ds: Dataset, frame: int) -> list[str]:
    """The values of Image Type, of an enhanced image those of Frame Type."""
    for keyword in ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence"):
        if frame_type := group_of(ds, frame, keyword).get("FrameType"):
            return [str(part).strip().upper() for part in frame_type]
    return [str(part).strip().upper() for part in ds.get("ImageType") or []]
