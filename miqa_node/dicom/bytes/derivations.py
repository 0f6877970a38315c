"""What an image says of how it was made from others: Image Type, derivation, irradiation events and sources."""

from __future__ import annotations

import re

from miqa_node.core.domain.instance import Derivation
from miqa_node.dicom.bytes.values import Values

MOST_EVENTS = 64
"""Irradiation events of one image that are kept."""

_REFERENCED_SOP_INSTANCE_UID = 0x00081155
_CODES = {
    "113090": Derivation.STITCHED,
    "113062": Derivation.ENERGY,
    "113097": Derivation.ENERGY,
}
"""Codes of CID 7203: image stitching, pixel by pixel subtraction, multi-energy proportional weighting."""

_SCREEN = re.compile("SCREEN|CAPTURE|REPORT", re.IGNORECASE)
_STITCHED = re.compile(r"stitch|(?<![a-z])composed|long.?(leg|length|view)|ganzbein", re.IGNORECASE)
_SUPPRESSED = re.compile(
    r"(bone|rib|skelet\w*).?suppress|suppress\w* .{0,10}(bone|rib)|(knochen|rippen).?(suppression|unterdr)",
    re.IGNORECASE,
)
_ENERGY = re.compile(
    r"dual.?energy|energy.?subtract|(doppel|zwei).?(energie|spektr)|double.?[eé]nergie|bi.?[eé]nergie", re.IGNORECASE
)
_TISSUE = re.compile(
    r"soft|tissue|bones?|subtract\w*|energy|weichteil\w*|knochen\w*|dual.?energy|soft.?tissue", re.IGNORECASE
)
"""Values of Image Type that mean dual energy; in a description the same words may mean the way of processing."""


PAGES, FILMS = frozenset({"SD", "WSD", "DRW", "SYN"}), frozenset({"DF", "DI", "DV", "SI"})
"""Values of Conversion Type (PS3.3 C.8.6.1): pages, screens, drawings; and films and signals that were digitised, which
may be SECONDARY (C.7.6.1.1.2), too. Stored angiograms and dental images often are."""
OF_EXPOSURES = ("IrradiationEventUID", "ExposureIndex", "DeviationIndex")
"""What a page is seldom said to have: consoles that process a radiograph again write SECONDARY, too."""


def derivation_of(values: Values) -> Derivation:
    """How an image was made from others; PLAIN if it does not say that it is derived."""
    image_type = values.words("ImageType")
    kinds = [kind.replace("_", " ") for kind in image_type[2:]]
    texts = [*kinds, values.text("DerivationDescription")]
    scheme, code = values.code("DerivationCodeSequence")
    coded = _CODES.get(code, Derivation.PLAIN) if scheme == "DCM" else Derivation.PLAIN
    if coded is Derivation.STITCHED or any(_STITCHED.search(text) for text in texts):
        return Derivation.STITCHED
    conversion = values.word("ConversionType")
    is_secondary = image_type[1:2] == ("SECONDARY",) and values.word("Modality") in ("CR", "DX")
    is_exposed = conversion in FILMS or any(values.holds(keyword) for keyword in OF_EXPOSURES)
    is_screen = any(_SCREEN.search(kind) for kind in kinds)
    is_page = conversion in PAGES or (is_secondary and (is_screen or not is_exposed))
    plain = Derivation.PAGE if is_page else Derivation.PLAIN
    if image_type[:1] != ("DERIVED",):
        return plain
    texts += [values.text("SeriesDescription"), values.text("ProtocolName")]
    if any(_SUPPRESSED.search(text) for text in texts):
        return Derivation.SUPPRESSED
    if any(_ENERGY.search(text) for text in texts) or any(_TISSUE.fullmatch(kind) for kind in kinds):
        return Derivation.ENERGY
    return coded or plain


def irradiation_event_uids(values: Values) -> tuple[str, ...]:
    """Irradiation Event UID (0008,3010), several for an image of several exposures."""
    return tuple(uid for uid in values.words("IrradiationEventUID") if uid)[:MOST_EVENTS]


def source_instance_uid(values: Values) -> str:
    """The first image of Source Image Sequence (0008,2112)."""
    return values.nested_text("SourceImageSequence", _REFERENCED_SOP_INSTANCE_UID)[:64].replace("\0", "").strip()
