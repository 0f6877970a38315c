"""Determines the kind of an object from its header: projection image, slice, other image, or no image."""

from __future__ import annotations

from functools import cache

from miqa_node.core.domain.implementation import MANUFACTURER
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.pixel_text import TextImageKind
from miqa_node.core.domain.traits import ImageTraits, SeriesTraits
from miqa_node.core.language.phrase import Phrase
from miqa_node.stages.measure.installed import SERIES, is_installed

_STORAGE = "1.2.840.10008.5.1.4.1.1."

# Families of storage SOP classes (PS3.4 B.5) whose pixels, if any, are not a picture of the patient. The node itself
# sends segmentations, presentation states and documents: if a PACS routes them back, the node must not judge them.
_NOT_IMAGES = {
    "9": "waveforms",
    "11": "presentation states",
    "30": "parametric map",
    "66": "raw data, registrations, segmentations, surfaces, tractography",
    "67": "real world value mapping",
    "68": "surface scans",
    "88": "structured reports and key object selections",
    "91": "microscopy annotations",
    "104": "encapsulated documents",
    "481": "radiotherapy dose, structures, plans and records",
}
_RT_IMAGE = _STORAGE + "481.1"
_WHOLE_SLIDE = _STORAGE + "77.1.6"
NOT_IMAGE_MODALITIES = frozenset(
    {
        "AU",
        "DOC",
        "ECG",
        "FID",
        "HD",
        "KO",
        "PLAN",
        "PR",
        "REG",
        "RTDOSE",
        "RTPLAN",
        "RTRECORD",
        "RTSTRUCT",
        "SEG",
        "SR",
    }
)

# One exposure, one picture: computed and digital radiography, mammography, intra-oral, angiography and fluoroscopy.
_PROJECTION_FAMILIES = ("1", "12.1", "12.2")
# Digitised film and converted radiographs arrive as Secondary Capture with the modality of the original.
_CAPTURE_FAMILY = "7"
# CT and Enhanced CT, MR and Enhanced MR, PET and Enhanced PET; "legacy converted" ones have the same root.
_SERIES_FAMILIES = {"CT": ("2",), "MR": ("4",), "PT": ("128", "130")}
PROJECTION_MODALITIES = frozenset({"CR", "DX", "MG", "RG", "XA", "RF", "IO", "PX"})
GENERAL_RADIOGRAPHY = frozenset({"CR", "DX"})
WITH_VIEW = frozenset({"CR", "DX", "MG", "RG"})
"""Modalities whose images have a body part and a view."""
_MAMMOGRAPHY = "MG"
_TOMOSYNTHESIS = _STORAGE + "13.1."
_ULTRASOUND = "US"
_ULTRASOUND_FAMILIES = ("3", "6")  # multi-frame; single images and volumes

_NO_MODEL = Phrase("No model judges CT or MR series; they are measured.")
_SERIES_TRAITS = {
    "CT": SeriesTraits(_NO_MODEL, may_show_phantom=True, hounsfield=True),
    "MR": SeriesTraits(_NO_MODEL, may_show_phantom=True),
    # In PET a head is as round and uniform as a bottle.
    "PT": SeriesTraits(
        Phrase("Measured, experimental: limits for PET have not been tried on two scanners."), untried=True
    ),
}
_KIND_WORDS = {
    "BMD": Phrase("bone densitometry"),
    "DMS": Phrase("dermoscopy"),
    "ES": Phrase("endoscopy"),
    "GM": Phrase("microscopy"),
    "IO": Phrase("dental radiographs"),
    "IVOCT": Phrase("intravascular optical coherence tomography"),
    "IVUS": Phrase("intravascular ultrasound"),
    "MG": Phrase("mammography"),
    "NM": Phrase("nuclear medicine"),
    "OP": Phrase("ophthalmology"),
    "OPM": Phrase("ophthalmology"),
    "OPT": Phrase("ophthalmology"),
    "OPTBSV": Phrase("ophthalmology"),
    "OPTENF": Phrase("ophthalmology"),
    "PX": Phrase("panoramic radiographs"),
    "RF": Phrase("fluoroscopy"),
    "RG": Phrase("digitised films"),
    "RTIMAGE": Phrase("portal images"),
    "SM": Phrase("microscopy"),
    "US": Phrase("ultrasound"),
    "XA": Phrase("angiography"),
    "XC": Phrase("photographs"),
}
"""By modality, without general radiography, which a model judges, and without series, which a policy speaks for."""
_UNNAMED = frozenset({"", "OT"})
OTHER_MODALITY = Phrase(
    "The header does not say what kind of image this is: Modality is OT (other) or empty. A sender that knows better "
    "should say so."
)
NOT_A_SLICE = Phrase(
    "This image is not a slice that can be measured with its series: that takes the SOP Class of CT, MR or PET, a "
    "Series Instance UID and gray values."
)
SLIDE_TILE = Phrase("This is a tile of a microscopic slide: one tile says nothing about the slide.")
CAPTURE = Phrase(
    "This is a secondary capture: a picture that a workstation, a converter or a test program made, with nothing in "
    "its header about how it was acquired."
)
TEST_OBJECT = Phrase("This is an image of a test object, as its header says.")
PHANTOM_MODALITIES = frozenset(name for name, traits in _SERIES_TRAITS.items() if traits.may_show_phantom)


def is_image(header: Header) -> bool:
    """Whether the object has pixels that show the patient.

    No for segmentations, presentation states, reports, key objects, radiotherapy objects other than portal
    images, parametric maps, waveforms and documents. Private SOP classes are images if they have pixels.
    """
    if not (header.has_pixels and header.rows and header.columns) or header.modality in NOT_IMAGE_MODALITIES:
        return False
    uid = header.sop_class_uid
    return uid == _RT_IMAGE or not _belongs(uid, *_NOT_IMAGES)


def is_projection(header: Header) -> bool:
    """Whether the object is a single X-ray exposure, which is assessed as soon as it is stored.

    Yes for CR, DX, MG, intra-oral and panoramic images, for single-frame XA and RF (a spot film, or a single shot of a
    run), and for monochrome single-frame secondary captures with such a modality (digitised film). No for cine runs
    and tomosynthesis (many frames), for colour (photographs, screenshots, this node's overlays), for enhanced images
    from this node, and for CT localizers, which are judged with their series.
    """
    return header.number_of_frames <= 1 and _is_radiograph(header)


def is_run(header: Header) -> bool:
    """Whether the object is a multi-frame image of a kind that :func:`is_projection` accepts: cine, multi-frame DX.

    One frame represents it (:mod:`miqa_node.dicom.pixels.representative`).
    """
    return header.number_of_frames > 1 and _is_radiograph(header)


def is_slide(header: Header) -> bool:
    """Whether the frames are tiles of one picture (PS3.3 A.32.8)."""
    return header.sop_class_uid == _WHOLE_SLIDE


def is_tomosynthesis(header: Header) -> bool:
    """Whether it is a volume of a breast: Breast Tomosynthesis and Breast Projection Image Storage."""
    return header.sop_class_uid.startswith(_TOMOSYNTHESIS)


def is_capture(header: Header) -> bool:
    """Whether the object is a picture of a workstation beside slices: a dose sheet, a screenshot, a key image."""
    return header.modality in _SERIES_FAMILIES and _belongs(header.sop_class_uid, _CAPTURE_FAMILY)


def unfit_reason(header: Header) -> str:
    """Why no limit can apply to an image that is neither a radiograph nor a slice; empty if one could."""
    if is_slide(header):
        return SLIDE_TILE
    if _belongs(header.sop_class_uid, _CAPTURE_FAMILY):
        return CAPTURE
    return TEST_OBJECT if header.quality_control else ""


def experimental_reason(header: Header, *, measured: bool) -> str:
    """Why an image has no verdict although it is sound; empty for general radiography, which a model judges."""
    if header.modality in GENERAL_RADIOGRAPHY:
        return ""
    if header.modality in _UNNAMED:
        return OTHER_MODALITY
    if header.modality in _SERIES_FAMILIES:
        return NOT_A_SLICE
    if measured:
        return untried_reason(header)
    return _unmeasured(_KIND_WORDS.get(header.modality))


def _unmeasured(kind: str | None) -> str:
    if kind is None:
        return Phrase("The node has no measurements and no model for this kind of image.")
    if not is_installed(SERIES):
        return Phrase("Nothing here measures {kind}: miqa-node-series is not installed.", kind=kind)
    return Phrase("The node has no measurements and no model for {kind}.", kind=kind)


def untried_reason(header: Header) -> str:
    """Why what was measured of an image of this kind is experimental."""
    kind = _KIND_WORDS.get(header.modality, Phrase("this kind of image"))
    return Phrase("Measured, experimental: limits for {kind} have not been tried on two scanners.", kind=kind)


def is_own(header: Header) -> bool:
    """Whether this node made the image and a PACS routed it back; its phantoms count as originals."""
    return header.manufacturer == MANUFACTURER and header.image_type[:1] == ("DERIVED",)


def _is_radiograph(header: Header) -> bool:
    if not is_image(header) or not _is_monochrome(header) or is_own(header):
        return False
    uid = header.sop_class_uid
    if _belongs(uid, *_PROJECTION_FAMILIES):
        return True
    known_otherwise = uid.startswith("1.2.840.10008.") and not _belongs(uid, _CAPTURE_FAMILY)
    return header.modality in PROJECTION_MODALITIES and not known_otherwise


def is_slice(header: Header) -> bool:
    """Whether the object is part of a CT, MR or PET series, which is assessed as a whole: slices, volumes, localizers.

    No for secondary captures of such series (dose sheets, screenshots) and for other modalities.
    """
    if not is_image(header) or not _is_monochrome(header) or not header.series_instance_uid:
        return False
    return is_slice_class(header.modality, header.sop_class_uid)


def is_slice_class(modality: str, sop_class_uid: str) -> bool:
    """Whether objects of a SOP class are slices of a CT, MR or PET series, and not captures of it."""
    return _belongs(sop_class_uid, *_SERIES_FAMILIES.get(modality, ()))


def series_traits(header: Header) -> SeriesTraits:
    """Traits for judging the series of a slice."""
    return _SERIES_TRAITS[header.modality]


def image_traits(header: Header) -> ImageTraits:
    """Traits of an image: how it is measured, and the required attributes of its header.

    A Secondary Capture has neither geometry nor exposure (PS3.3 A.8).
    """
    source = _text_source(header)
    if not is_projection(header):
        return ImageTraits(is_radiograph=is_run(header), text_source=source)
    modality = header.modality
    expected = {"view_position"} if modality in WITH_VIEW else set()
    if not _belongs(header.sop_class_uid, _CAPTURE_FAMILY):
        expected |= {"pixel_spacing_mm"}
        expected |= {"patient_orientation"} if modality in WITH_VIEW else set()
        expected |= {"exposure_index"} if modality in GENERAL_RADIOGRAPHY else set()
    breast = True if modality == _MAMMOGRAPHY else False if modality in GENERAL_RADIOGRAPHY else None
    return ImageTraits(True, True, frozenset(expected), breast, source)


def _text_source(header: Header) -> TextImageKind | None:
    if not is_image(header) or is_own(header):
        return None
    if _is_radiograph(header):
        return TextImageKind.RADIOGRAPH
    uid = header.sop_class_uid
    if header.modality == _ULTRASOUND or _belongs(uid, *_ULTRASOUND_FAMILIES):
        return TextImageKind.ULTRASOUND
    if _belongs(uid, _CAPTURE_FAMILY):
        return TextImageKind.CAPTURE
    return None if _is_monochrome(header) else TextImageKind.COLOUR


def _is_monochrome(header: Header) -> bool:
    return header.samples_per_pixel <= 1 and header.photometric_interpretation in ("MONOCHROME1", "MONOCHROME2", "")


def _belongs(uid: str, *families: str) -> bool:
    return f"{uid}.".startswith(_roots(families))


@cache
def _roots(families: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{_STORAGE}{family}." for family in families)
