"""Which phantom a series shows, once it is known to show one: by its pixels, with words of the header as a hint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import structlog

from miqa_node.core.domain.phantom import PhantomKind
from miqa_node.core.language.phrase import Phrase
from miqa_node.libraries.phantom_shapes.acr import LARGE_MM, MEDIUM_MM, find_acr_slices, nominal_diameter_mm
from miqa_node.libraries.phantom_shapes.acr_ct import find_acr_ct
from miqa_node.libraries.phantom_shapes.catphan import AIR_HU
from miqa_node.libraries.phantom_shapes.catphan_modules import Model, find_catphan
from miqa_node.libraries.phantom_shapes.disc import Disc, find_disc
from miqa_node.libraries.phantom_shapes.localizer import find_localizer
from miqa_node.libraries.phantom_shapes.uniform import is_uniform_ct, is_uniform_mr
from miqa_node.stages.assess.phantom_words import header_texts
from miqa_node.stages.measure.series_view import SeriesView, Values
from miqa_node.stages.measure.volumes import volumes_of

log = structlog.get_logger(__name__)
MOST_SLICES = 200
"""Of a stack that is decoded for its kind; of more, every second or third one."""
ACR_KINDS = {LARGE_MM: PhantomKind.ACR_MR_LARGE, MEDIUM_MM: PhantomKind.ACR_MR_MEDIUM}
CATPHAN_KINDS = {
    Model.CATPHAN_504: PhantomKind.CATPHAN_504,
    Model.CATPHAN_600: PhantomKind.CATPHAN_600,
    Model.CATPHAN_604: PhantomKind.CATPHAN_604,
}
DIAMETER_OFF_MM = 6.0
LCD_MM = (180.0, 220.0)
NO_DISC = Phrase("Test objects of CT are looked for in discs; no slice shows one.")
NO_PLACES = Phrase("Modules of test objects are looked for by where slices lie; the header does not say.")
_KEYWORDS = ("PatientName", "PatientID", "StudyDescription", "SeriesDescription", "ProtocolName")
_ACR = re.compile(r"(?<![a-z])acr(?![a-z])", re.IGNORECASE)
_LCD = re.compile(r"lcd[ _-]?ct|mita[ _-]?lcd|low.?contrast", re.IGNORECASE)


def kind_of(series: SeriesView) -> str:
    """The value of a :class:`PhantomKind`; empty if the phantom is none that is told from others."""
    try:
        return str(_kind_of(series))
    except (ArithmeticError, LookupError, ValueError, cv2.error, np.linalg.LinAlgError):
        log.exception("the kind of a phantom was not told")  # no reason to give up the series
        return ""


def what_is_missed(series: SeriesView) -> str:
    """What a test object of no known kind was looked at for, and lacks: a phrase; empty where nothing is said."""
    if series.header.modality != "CT":
        return ""
    volume = _volume(series)
    discs = [] if volume is None else [_disc(one, volume.spacing) for one in volume.images]
    circles = [one for one in discs if one is not None]
    if volume is None or not circles:
        return NO_DISC
    if volume.places_mm is None:
        return NO_PLACES
    return Phrase(
        "A disc of {diameter} mm, in which no slice shows the inserts of a Catphan (air and Teflon) or of the ACR "
        "phantom (air and bone, 90 degrees apart), and which is no even cylinder near water.",
        diameter=f"{_diameter_mm(circles):.0f}",
    )


@dataclass(frozen=True, slots=True)
class _Volume:
    """The slices of a volume that can be decoded."""

    images: Sequence[Values]
    places_mm: Sequence[float] | None
    spacing: tuple[float, float]


def _volume(series: SeriesView) -> _Volume | None:
    indices = _one_volume(series)
    indices = indices[:: -(-len(indices) // MOST_SLICES) or 1]
    read = [(series.slices[index], series.read(series.slices[index])) for index in indices]
    pairs = [(one, one.values(radiograph.stored)) for one, radiograph in read if radiograph is not None]
    if not pairs:
        return None
    slices, images = [one for one, _ in pairs], [values for _, values in pairs]
    spacing = slices[0].spacing_mm or (1.0, 1.0)
    places = [one.place_mm for one in slices]
    positions = [place for place in places if place is not None]
    return _Volume(images, positions if len(positions) == len(places) else None, spacing)


def _kind_of(series: SeriesView) -> str:
    volume = _volume(series)
    if volume is None:
        return ""
    words = _words(series)
    if series.header.modality == "CT":
        return _ct_kind(volume.images, volume.places_mm, volume.spacing, words)
    return _mr_kind([np.maximum(one, 0.0) for one in volume.images], volume.places_mm, volume.spacing, words)


def _one_volume(series: SeriesView) -> list[int]:
    """The largest volume; where nothing tells slices apart, as of two scans with one UID, the first at each place."""
    if not series.slices:
        return []
    volumes = series.once(volumes_of)
    if not volumes.untold:
        return max(volumes.single, key=len)
    first: dict[float | None, int] = {}
    for index, one in enumerate(series.slices):
        first.setdefault(one.place_mm, index)
    return sorted(first.values())


def _mr_kind(
    images: Sequence[Values], places_mm: Sequence[float] | None, spacing: tuple[float, float], words: str
) -> str:
    acr = find_acr_slices(images, places_mm, spacing)
    if acr is not None:
        return ACR_KINDS[nominal_diameter_mm(acr)]
    for image in images if len(images) <= 3 else images[len(images) // 2 :: len(images)]:
        localizer = find_localizer(image, spacing)
        if localizer is not None:
            return ACR_KINDS[localizer.diameter_mm]
    discs = [find_disc(one, spacing) for one in images]
    if _ACR.search(words) is not None:
        diameter = _diameter_mm(discs)
        nearest = min(ACR_KINDS, key=lambda one: abs(one - diameter))
        if abs(nearest - diameter) <= DIAMETER_OFF_MM:
            return ACR_KINDS[nearest]
    return PhantomKind.MR_UNIFORM if is_uniform_mr(images, discs) else ""


def _ct_kind(
    images: Sequence[Values], places_mm: Sequence[float] | None, spacing: tuple[float, float], words: str
) -> str:
    catphan = find_catphan(images, places_mm, spacing)
    if catphan is not None:
        return CATPHAN_KINDS[catphan.model]
    if find_acr_ct(images, places_mm, spacing) is not None:
        return PhantomKind.ACR_CT_464
    discs = [_disc(one, spacing) for one in images]
    if not is_uniform_ct(images, discs):
        return ""
    is_lcd = _LCD.search(words) is not None and LCD_MM[0] <= _diameter_mm(discs) <= LCD_MM[1]
    return PhantomKind.LCD_CT if is_lcd else PhantomKind.CT_WATER


def _disc(image: Values, spacing: tuple[float, float]) -> Disc | None:
    return find_disc(image, spacing, floor=AIR_HU, divided=False)


def _diameter_mm(discs: Sequence[Disc | None]) -> float:
    radii = [one.radius_mm for one in discs if one is not None]
    return 2.0 * float(np.median(radii)) if radii else 0.0


def _words(series: SeriesView) -> str:
    return " ".join(header_texts(series.slices[0].path, _KEYWORDS).values())
