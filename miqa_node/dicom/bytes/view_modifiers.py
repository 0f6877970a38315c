"""What sets the view of a mammogram apart from the plain one: View Modifier Code Sequence, or what stands for it."""

from __future__ import annotations

from miqa_node.core.language.phrase import Phrase
from miqa_node.dicom.bytes.values import Values

MODIFIERS = {
    Phrase("Rolled medial"): ("399226006", "R-102D4"),
    Phrase("Rolled lateral"): ("399197002", "R-102D3"),
    Phrase("Rolled superior"): ("415670009", "R-102C9"),
    Phrase("Rolled inferior"): ("414493004", "R-102CA"),
    Phrase("Nipple in profile"): ("442581004", "R-40AB3"),
    Phrase("Axillary tissue"): ("442580003", "R-40AB2"),
    Phrase("Axillary tail"): ("399011000", "R-102D1"),
    Phrase("Infra-mammary fold"): ("442593008", "R-40ABE"),
    Phrase("Anterior compression"): ("441752004", "P2-00161"),
    Phrase("Spot compression"): ("399055006", "R-102D7"),
    Phrase("Magnification"): ("399163009", "R-102D6"),
    Phrase("Implant displaced"): ("399209000", "R-102D5"),
    Phrase("Tangential"): ("399110001", "R-102C2"),
    Phrase("Cleavage"): ("399161006", "R-102D2"),
}
"""CID 4015 (PS3.16): the codes in SNOMED CT and in its retired predecessor."""
PARTIAL, MAGNIFICATION = Phrase("Partial view"), Phrase("Magnification")
LEAST_MAGNIFICATION = 1.4
"""Contact views are magnified by less than 1.2, magnified ones by 1.5 to 2."""
_WORDS = {code: str(words) for words, codes in MODIFIERS.items() for code in codes}
_SEQUENCE, _MEANING = 0x00540222, 0x00080104


def view_modifier(values: Values) -> str:
    """The first modifier; the sender's word for a code that CID 4015 does not have; empty if there is none.

    Senders that name none tell of magnification by Estimated Radiographic Magnification Factor (0018,1114), and of
    parts of a large breast by Partial View (0028,1350).
    """
    _, code = values.code("ViewCodeSequence", "ViewModifierCodeSequence")
    if code:
        return _WORDS.get(code) or values.inner_text("ViewCodeSequence", _SEQUENCE, _MEANING) or code
    if any(factor >= LEAST_MAGNIFICATION for factor in values.numbers("EstimatedRadiographicMagnificationFactor")):
        return str(MAGNIFICATION)
    return str(PARTIAL) if values.word("PartialView") == "YES" else ""
