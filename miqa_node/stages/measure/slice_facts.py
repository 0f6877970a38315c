"""Reads of a header what kind of slice it is: the facts that the table of kinds asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydicom import Dataset

from miqa_node.core.domain.slice_kind import YES, Facts, SliceKind, kind_of
from miqa_node.dicom.bytes.numbers import first_number
from miqa_node.dicom.bytes.private import private_numbers, tags_of
from miqa_node.stages.measure.groups import group_of

KEYWORDS = (
    "AcquisitionContrast", "AnatomicRegionSequence", "AngioFlag", "ArterialSpinLabelingContrast", "BodyPartExamined",
    "ComplexImageComponent", "ConvolutionKernel", "ConvolutionKernelGroup", "EchoPlanarPulseSequence", "ImageType",
    "Modality", "PhaseContrast", "ProtocolName", "RescaleType", "ScanningSequence", "SequenceName", "SeriesDescription",
)  # fmt: skip
SIEMENS, GE, UIH = "SIEMENS MR HEADER", "GEMS_PARM_01", "Image Private Header"
GE_SCAN, PHILIPS, PHILIPS_MR = "GEMS_ACQU_01", "Philips Imaging DD 001", "Philips MR Imaging DD 001"
PRIVATE_TAGS = (
    tags_of(0x0019, 0x0A, 0x0C, 0x0E, 0xBB, 0xBC, 0xBD)
    | tags_of(0x0043, 0x2F, 0x39)
    | tags_of(0x0065, 0x09, 0x37, 0x50)
    | tags_of(0x2001, 0x03)
    | tags_of(0x2005, 0xB0, 0xB1, 0xB2)
)
GE_COMPONENTS = {1.0: "PHASE", 2.0: "REAL", 3.0: "IMAGINARY"}
GE_OFFSET = 1e9
"""What GE adds to a b-value; other numbers from there on are no b-values."""
MOST_B_VALUE = 1e5
COMPONENTS = {
    "P": "PHASE", "PHASE": "PHASE", "PHASE MAP": "PHASE", "R": "REAL", "REAL": "REAL", "I": "IMAGINARY",
    "IMAGINARY": "IMAGINARY", "VELOCITY": "PHASE",
}  # fmt: skip
"""Value 3 of Image Type as makers write it, in the words of Complex Image Component (0008,9208)."""
DESCRIPTIONS = {
    "FIELD MAP": re.compile(r"\bB0 ?MAP|FIELD ?MAP|GRE FIELD|\bFMAP\b|\bB1 ?MAP|\bB0 NS\b"),
    "FLOW": re.compile(r"PHASE CONTRAST|\bFLOW\b|\bQFLOW\b|\bPCA\b|VENC\b|\b4D ?FLOW"),
    "LABELLING": re.compile(r"\b[PC]*ASL\b|PCASL|SPIN LABEL"),
    "ANGIOGRAPHY": re.compile(r"\b(?:TOF|MRA|CE ?MRA|SWI|ANGIO\w*|TRICKS|TWIST)\b"),
    "PERFUSION": re.compile(r"\bPERF\w*|\bDSC\b|\bDCE\b"),
    "CONE BEAM": re.compile(r"\bC(?:ONE )?B(?:EAM )?CT\b|\bCONE ?BEAM\b|\bDVT\b"),
    "SPECTRAL": re.compile(r"\bMONO ?E\b|MONOENERG|\b\d+ ?KEV\b|\bIODINE\b|\bVNC\b|Z ?EFF|\bRHO Z\b"),
}
"""What makers and sites call what no element names; a word too many only keeps a series from limits."""
BONE_NUMBER, TOSHIBA_BONE, TOSHIBA_LUNG = 50, (30, 39), (50, 59)
BONE_WORDS = re.compile(r"BONE|EDGE|ULTRA|SHARP|INNER EAR|\bY[B-E]\b|\bE\b")
LUNG_WORDS = re.compile(r"LUNG|\bL\b|HRCT")
SHARP_GROUPS = frozenset({"BONE", "LUNG"})
"""Values of Convolution Kernel Group (0018,9316)."""
SHARP_DESCRIPTION = re.compile(r"\b(?:(?P<bone>BONE|KNOCHEN|OSSEUX|HUESO|OSSO)|(?P<lung>LUNG|LUNGE|POUMON))\b")
"""Lung alone may be the name of a screening: it counts where no kernel is named."""
HEADS = frozenset(
    {"BRAIN", "HEAD", "HEADNECK", "IAC", "JAW", "MAXILLA", "ORBIT", "PARANASALSINUS", "SINUS", "SKULL", "TEMPORALBONE"}
)
JAWS = frozenset({"JAW", "MANDIBLE", "MAXILLA", "TEETH", "TMJ"})
BONY = re.compile(
    r"SPINE|^NECK|SHOULDER|CLAVICLE|HUMERUS|ELBOW|FOREARM|WRIST|HAND|HIP|FEMUR|KNEE|LEG|ANKLE|FOOT|CALCANEUS|EXTREMITY"
)


def kind_of_slice(ds: Dataset, frame: int, image_type: Sequence[str]) -> SliceKind:
    """The kind of a frame of these values of Image Type or Frame Type."""
    return kind_of(_text(ds, "Modality"), facts_of(ds, frame, image_type))


def facts_of(ds: Dataset, frame: int, image_type: Sequence[str]) -> Facts:
    """See :data:`~miqa_node.core.domain.slice_kind.Facts`."""
    kinds = {word for part in image_type[2:] for word in (part, part.removeprefix("CSA "))}
    if _text(ds, "Modality") == "CT":
        return {
            "image_type": frozenset(kinds),
            "derived": YES if image_type[:1] == ["DERIVED"] else frozenset(),
            "rescale": frozenset({"OTHER"} if _rescale_type(ds, frame) not in ("", "HU") else ()),
            "kernel": frozenset(_kernels(ds, frame)),
            "part": frozenset(_part(_text(ds, "BodyPartExamined") or _region(ds, frame))),
            "words": _described(ds),
        }
    return {
        "image_type": frozenset(kinds),
        "derived": YES if image_type[:1] == ["DERIVED"] else frozenset(),
        "component": frozenset(_component(ds, frame, image_type)),
        "sequence": frozenset(_sequences(ds)),
        "contrast": frozenset({_of_frame(ds, frame, "MRImageFrameTypeSequence", "AcquisitionContrast")}),
        "angio": YES if _text(ds, "AngioFlag") == "Y" else frozenset(),
        "diffusion": YES if _is_diffusion(ds, frame) else frozenset(),
        "tiles": YES if (private_numbers(ds, 0x0019, SIEMENS, 0x0A) or (0.0,))[0] > 1 else frozenset(),
        "words": _described(ds),
    }


def private_b_value(ds: Dataset) -> float | None:
    """In s/mm², of the elements of Siemens, UIH, Philips and GE; None without any of them.

    Philips and GE write 0, GE also other numbers, into images without diffusion.
    """
    for group, creator, element in ((0x0019, SIEMENS, 0x0C), (0x0065, UIH, 0x09)):
        if values := private_numbers(ds, group, creator, element):
            return values[0]
    for group, creator, element in ((0x2001, PHILIPS, 0x03), (0x0043, GE, 0x39)):
        values = private_numbers(ds, group, creator, element)
        value = values[0] % GE_OFFSET if values else 0.0
        if 0.0 < value < MOST_B_VALUE:
            return value
    return None


def private_direction(ds: Dataset) -> tuple[float, ...] | None:
    """Direction of the gradient: Siemens and UIH have three numbers in one element, Philips and GE in three."""
    for group, creator, elements in (
        (0x0019, SIEMENS, (0x0E,)),
        (0x0065, UIH, (0x37,)),
        (0x2005, PHILIPS_MR, (0xB0, 0xB1, 0xB2)),
        (0x0019, GE_SCAN, (0xBB, 0xBC, 0xBD)),
    ):
        values = tuple(one for element in elements for one in private_numbers(ds, group, creator, element))
        if len(values) == 3 and any(values):
            return values
    return None


def shown_by(ds: Dataset, frame: int, image_type: Sequence[str]) -> str:
    """MAGNITUDE, PHASE, REAL or IMAGINARY if the header says so, and all words of Image Type from value 3 on.

    Water and fat of a Dixon series differ in value 3, 4 or 5, by maker.
    """
    return " ".join(dict.fromkeys([*_component(ds, frame, image_type), *filter(None, image_type[2:])]))


def _component(ds: Dataset, frame: int, image_type: Sequence[str]) -> set[str]:
    named = _of_frame(ds, frame, "MRImageFrameTypeSequence", "ComplexImageComponent")
    if named and named != "MIXED":
        return {named}
    written = COMPONENTS.get(image_type[2]) if len(image_type) > 2 else None
    raw = private_numbers(ds, 0x0043, GE, 0x2F)
    of_maker = GE_COMPONENTS.get(raw[0]) if raw else None
    return {one for one in (written, of_maker) if one is not None}


def _is_diffusion(ds: Dataset, frame: int) -> bool:
    public = first_number(group_of(ds, frame, "MRDiffusionSequence"), "DiffusionBValue") or 0.0
    return public > 0.0 or private_b_value(ds) is not None  # some makers write a b-value of 0 into every image


def _sequences(ds: Dataset) -> set[str]:
    echo_planar = {"EP"} if _text(ds, "EchoPlanarPulseSequence") == "YES" else set()
    return echo_planar | set(_words(ds, "ScanningSequence"))


def _rescale_type(ds: Dataset, frame: int) -> str:
    return str(group_of(ds, frame, "PixelValueTransformationSequence").get("RescaleType") or "").strip().upper()


def _part(part: str) -> set[str]:
    """HEAD, or BONE of a spine or limb, and JAW, by the names of DICOM and of makers."""
    part = re.sub(r"[^A-Z]", "", part)
    head = {"HEAD"} if part in HEADS else {"BONE"} if BONY.search(part) else set()
    return head | ({"JAW"} if part in JAWS else set())


def _region(ds: Dataset, frame: int) -> str:
    anatomy = group_of(ds, frame, "FrameAnatomySequence")
    region = next(iter(anatomy.get("AnatomicRegionSequence") or ()), Dataset())
    return _text(region, "CodeMeaning")


def _kernels(ds: Dataset, frame: int) -> set[str]:
    """By the name of the kernel; of enhanced images by its group, too; else by the description of the series."""
    reconstruction = group_of(ds, frame, "CTReconstructionSequence")
    named = _words(reconstruction, "ConvolutionKernel")
    kinds = {kernel_kind(one) for one in named} | ({_text(reconstruction, "ConvolutionKernelGroup")} & SHARP_GROUPS)
    if not any(kinds) and (match := SHARP_DESCRIPTION.search(_text(ds, "SeriesDescription"))):
        kinds = {"LUNG" if match["lung"] and not named else "BONE" if match["bone"] else ""}
    return kinds - {""} if named or any(kinds) else {"UNNAMED"}


def kernel_kind(kernel: str) -> str:
    """LUNG or BONE of a sharp kernel, by the names of makers; empty of others.

    >>> [kernel_kind(one) for one in ("B70F", "BL57D", "LUNG", "FC30", "FC52", "BONEPLUS", "L", "YC")]
    ['BONE', 'LUNG', 'LUNG', 'BONE', 'LUNG', 'BONE', 'LUNG', 'BONE']
    >>> [kernel_kind(one) for one in ("B30F", "BR40D", "STANDARD", "FC18", "SOFT", "D", "B", "H31S", "")]
    ['', '', '', '', '', '', '', '', '']
    """
    if toshiba := re.match(r"FC(\d+)", kernel):
        number = int(toshiba[1])
        if TOSHIBA_LUNG[0] <= number <= TOSHIBA_LUNG[1]:
            return "LUNG"
        return "BONE" if TOSHIBA_BONE[0] <= number <= TOSHIBA_BONE[1] or number >= 80 else ""
    if LUNG_WORDS.search(kernel):
        return "LUNG"
    if BONE_WORDS.search(kernel):
        return "BONE"
    siemens = re.match(r"[A-Z]([A-Z]?)(\d\d)", kernel)
    if siemens is None or int(siemens[2]) < BONE_NUMBER:
        return ""
    return "LUNG" if siemens[1] == "L" else "BONE"


def _described(ds: Dataset) -> frozenset[str]:
    every = " ".join(_text(ds, keyword) for keyword in ("SeriesDescription", "ProtocolName", "SequenceName"))
    text = re.sub(r"[^A-Z0-9]+", " ", every)
    return frozenset(name for name, pattern in DESCRIPTIONS.items() if pattern.search(text))


def _of_frame(ds: Dataset, frame: int, sequence: str, keyword: str) -> str:
    return str(group_of(ds, frame, sequence).get(keyword) or ds.get(keyword) or "").strip().upper()


def _text(ds: Dataset, keyword: str) -> str:
    return str(ds.get(keyword) or "").strip().upper()


def _words(ds: Dataset, keyword: str) -> list[str]:
    value = ds.get(keyword) or ()
    values = [value] if isinstance(value, str) else list(value)
    return [str(one).strip().upper() for one in values]


def b_value_of_frame(ds: Dataset, frame: int) -> float | None:
    """In s/mm²; public, then private."""
    public = first_number(group_of(ds, frame, "MRDiffusionSequence"), "DiffusionBValue")
    return private_b_value(ds) if public is None else public
