"""The series of a site: drawn chests, heads and phantoms of CT and MR, some with a fault of a series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from demo.site.objects import SiteFile, header_of, written
from demo.site.plan import CT, MR, PHANTOM, SiteExposure
from miqa_training.degrade.mr.kspace import modulated_ghost, shifted_wrap
from miqa_training.degrade.mr.noise import rician_noise
from miqa_training.degrade.series import field, hounsfield, noise, order, rings, streaks
from miqa_training.degrade.series.stack import RealStack, SeriesFault

Image = NDArray[np.float64]
SIDE, SPACING_MM, GAP_MM = 192, 2.0, 5.0
SLICES, PHANTOM_SLICES = 10, 5
CT_CLASS, MR_CLASS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
INTERCEPT = {CT: -1024.0, MR: 0.0}
FAULTS: Mapping[str, SeriesFault] = {
    "cut_gap": order.cut_gap, "repeated_slice": order.repeated_slice, "swapped_neighbours": order.swapped_neighbours,
    "off_centre": field.off_centre, "white_noise": noise.white_noise, "drawn_ring": rings.drawn_ring,
    "offset": hounsfield.offset, "rays": streaks.rays,
    "ghost": lambda stack, _: stack.showing(modulated_ghost(stack.values, 1, 0.3).astype(np.float32)),
    "wrap": lambda stack, _: stack.showing(shifted_wrap(stack.values, 1, 0.35).astype(np.float32)),
    "noise": lambda stack, rng: stack.showing(rician_noise(stack.values, 6.0, rng).astype(np.float32)),
}  # fmt: skip


def series(exposure: SiteExposure) -> list[SiteFile]:
    """The files of a series of CT or MR, or of a scan of a phantom, in their order."""
    random = np.random.default_rng(exposure.number)
    modality = exposure.machine.shows[0]
    draw = _drawing(exposure, modality)
    count = PHANTOM_SLICES if exposure.shows == PHANTOM else SLICES
    values = np.stack([draw(place, random) for place in range(count)]).astype(np.float32)
    stack = RealStack(tuple(_header(exposure, modality, place) for place in range(count)), values)
    if exposure.fault in FAULTS:
        stack = FAULTS[exposure.fault](stack, random)
    return [
        _file(exposure, modality, number, *one)
        for number, one in enumerate(zip(stack.headers, stack.values, strict=True), 1)
    ]


def _drawing(exposure: SiteExposure, modality: str) -> Callable[[int, np.random.Generator], Image]:
    if exposure.shows == PHANTOM:
        # The first scanner grows noisier from month to month: its history is what the log of phantoms is for.
        older = 0.04 * exposure.at.timetuple().tm_yday if exposure.machine.station == "CT1" else 6.0
        return (lambda _place, random: _water(5.0 + older % 8.0, random)) if modality == CT else _bottle
    return _chest if modality == CT else _head


def _points() -> tuple[Image, Image]:
    at = np.arange(SIDE, dtype=np.float64) - (SIDE - 1) / 2.0
    return at[None, :], at[:, None]


def _chest(place: int, random: np.random.Generator) -> Image:
    """A body with two lungs, vessels and a spine."""
    x, y = _points()
    image = np.where(np.hypot(y / 0.7, x) < 72 + place % 3, -95.0, -1000.0)
    image = np.where(np.hypot(y / 0.68, x) < 66, 45.0, image)
    vessels = cv2.GaussianBlur(np.random.default_rng(place).normal(size=image.shape), (0, 0), 1.5)
    lungs = np.hypot(y / 0.9, np.abs(x) - 31) < 19 + place
    image[lungs] = np.where(vessels[lungs] > 0.3, 0.0, -850.0)
    image = np.where(np.hypot(y - 34, x) < 9, 380.0, image)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.8) + _grain(random, 8.0))


def _head(place: int, random: np.random.Generator) -> Image:
    """Two tissues, two ventricles and noise of both parts."""
    x, y = _points()
    size = 1.0 - 0.015 * place  # no slice like another, else their order looks wrong
    image = np.where(np.hypot(x / (60 * size), y / (75 * size)) < 1.0, 600.0, 0.0)
    image = np.where(np.hypot(x / (48 * size), y / (62 * size)) < 1.0, 430.0, image)
    image = np.where(np.hypot((np.abs(x) - 10) / 6.0, y / (12.0 + place)) < 1.0, 150.0, image)
    texture = cv2.GaussianBlur(np.random.default_rng(place).normal(size=image.shape), (0, 0), 2.0)
    image = cv2.GaussianBlur(image * (1.0 + 0.06 * texture / texture.std()), (0, 0), 0.7)
    return np.asarray(np.hypot(image + random.normal(0, 9.0, image.shape), random.normal(0, 9.0, image.shape)))


def _water(noise_hu: float, random: np.random.Generator) -> Image:
    x, y = _points()
    return np.where(np.hypot(x, y) * SPACING_MM < 100.0, float(random.normal(0.5, 0.6)), -1000.0) + _grain(
        random, noise_hu
    )


def _bottle(_place: int, random: np.random.Generator) -> Image:
    x, y = _points()
    away = np.hypot(x, y) * SPACING_MM / 95.0
    image = 1000.0 * (away <= 1.0) * (1.0 + 0.08 * np.minimum(away, 1.0) ** 2)
    return np.asarray(np.hypot(image + random.normal(0, 8.0, image.shape), random.normal(0, 8.0, image.shape)))


def _grain(random: np.random.Generator, hu: float) -> Image:
    grain = cv2.GaussianBlur(random.normal(size=(SIDE, SIDE)), (0, 0), 0.8)
    return np.asarray(grain * hu / grain.std(), np.float64)


def _header(exposure: SiteExposure, modality: str, place: int) -> Dataset:
    header = header_of(exposure, CT_CLASS if modality == CT else MR_CLASS, place + 1)
    header.Modality, header.FrameOfReferenceUID = modality, exposure.uid("frame")
    header.PositionReferenceIndicator = ""
    header.ImagePositionPatient = [-(SIDE - 1) * SPACING_MM / 2, -(SIDE - 1) * SPACING_MM / 2, GAP_MM * place]
    header.ImageOrientationPatient, header.PixelSpacing = [1, 0, 0, 0, 1, 0], [SPACING_MM, SPACING_MM]
    header.SliceThickness, header.PhotometricInterpretation = str(GAP_MM), "MONOCHROME2"
    header.BodyPartExamined = "CHEST" if modality == CT else "HEAD"
    header.StudyDescription, header.ProtocolName = (
        ("CT Thorax", "Thorax nativ") if modality == CT else ("MR Kopf", "T1 SE tra")
    )
    if exposure.shows == PHANTOM:
        header.StudyDescription, header.ProtocolName = "QA", "QA daily"
    header.BitsStored = 12
    if modality == CT:
        header.ImageType, header.RescaleType = ["ORIGINAL", "PRIMARY", "AXIAL"], "HU"
        header.RescaleSlope, header.RescaleIntercept = "1", str(INTERCEPT[CT])
        header.KVP, header.AcquisitionNumber, header.CTDIvol, header.Exposure = "120", 1, 8.5, "20"
        header.ConvolutionKernel, header.WindowCenter, header.WindowWidth = "Br40", "40", "400"
    else:
        header.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
        header.ScanningSequence, header.SequenceVariant, header.ScanOptions = "SE", "NONE", ""
        header.MRAcquisitionType, header.EchoTime, header.EchoTrainLength = "2D", "10", 1
        header.RepetitionTime, header.InPlanePhaseEncodingDirection = "500", "COL"
        header.MagneticFieldStrength, header.WindowCenter, header.WindowWidth = "1.5", "400", "800"
    return header


def _file(exposure: SiteExposure, modality: str, number: int, header: Dataset, values: NDArray[np.float32]) -> SiteFile:
    header = deepcopy(header)  # a repeated slice has one header twice
    header.SOPInstanceUID = exposure.uid(str(number))
    stored = np.clip(np.rint(values - INTERCEPT[modality]), 0, 4095).astype(np.uint16)
    return written(header, stored)
