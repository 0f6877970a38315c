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


def derivation_of(values: Values) -> Derivation:
    """How an image was made from others; PLAIN if it does not say that it is derived."""
    image_type = values.words("ImageType")
    kinds = [kind.replace("_", " ") for kind in image_type[2:]]
    texts = [*kinds, values.text("DerivationDescription")]
    scheme, code = values.code("DerivationCodeSequence")
    coded = _CODES.get(code, Derivation.PLAIN) if scheme == "DCM" else Derivation.PLAIN
    if coded is Derivation.STITCHED or any(_STITCHED.search(text) for text in texts):
        return Derivation.STITCHED
    if image_type[:1] != ("DERIVED",):
        return Derivation.PLAIN
    texts += [values.text("SeriesDescription"), values.text("ProtocolName")]
    if any(_SUPPRESSED.search(text) for text in texts):
        return Derivation.SUPPRESSED
    if any(_ENERGY.search(text) for text in texts) or any(_TISSUE.fullmatch(kind) for kind in kinds):
        return Derivation.ENERGY
    return coded


def irradiation_event_uids(values: Values) -> tuple[str, ...]:
    """Irradiation Event UID (0008,3010), several for an image of several exposures."""
    return tuple(uid for uid in values.words("IrradiationEventUID") if uid)[:MOST_EVENTS]


def source_instance_uid(values: Values) -> str:
    """The first image of Source Image Sequence (0008,2112)."""
    return values.nested_text("SourceImageSequence", _REFERENCED_SOP_INSTANCE_UID)[:64].replace("\0", "").strip()
