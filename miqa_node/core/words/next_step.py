"""What to do about an image, in one sentence: the hint of the reason that decided (``core.domain.deciding``).

Each reason has a hint of its own (:func:`miqa_node.core.words.narrative.advice`).
"""

from __future__ import annotations

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.deciding import PROCESSED_AGAIN, deciding_first
from miqa_node.core.domain.verdict import Disposition, Reason, Verdict
from miqa_node.core.language.catalogue import LANGUAGE, say
from miqa_node.core.words.narrative import advice
from miqa_node.core.words.phrases import LOOK_FOR_REST
from miqa_node.core.words.search_words import searched

SEND_AGAIN = "Have the series sent again; if it stays so, have it made again from the raw data."
HOLD_STILL = "Repeat with the patient held still if the question cannot be answered."
LESS_NOISE = "Check the protocol before the next patient; repeat only if the question cannot be answered."
CALIBRATE = "Have the scanner calibrated before the next patient; do not trust its values until then."
COIL = "Have coil and cabin checked; repeat if the question cannot be answered."
HEADER = "Correct the header before anybody measures in the images."
OF_SERIES = {
    **dict.fromkeys(
        ("slice_gaps", "slice_disorder", "slices_repeated", "slice_overlaps", "slices_unreadable"), SEND_AGAIN
    ),
    **dict.fromkeys(("slices_blank", "lines_lost", "series_incomplete", "instance_numbers_missing"), SEND_AGAIN),
    **dict.fromkeys(("doubled_contours", "mr_doubled_contours", "mr_motion", "slice_jump"), HOLD_STILL),
    **dict.fromkeys(("ct_noise", "normalised_noise", "noise_for_dose", "noise_whiteness", "mr_noise"), LESS_NOISE),
    **dict.fromkeys(("hu_air", "hu_fat", "hu_offset", "ring_index", "slice_offset"), CALIBRATE),
    **dict.fromkeys(("mr_ghost", "mr_spikes", "mr_raw_lines", "mr_zipper"), COIL),
    **dict.fromkeys(("slices_differ", "thickness_share", "body_size"), HEADER),
    "metal_share": "Have the series made again with less metal artifact, if the raw data are there.",
    "streak_direction": "Have the series made again with less metal artifact, if the raw data are there.",
    "truncation": "Have the series made again with a larger field of view, if what is cut off matters.",
    "mr_wrap": "Repeat with a larger field of view if what lies upon the anatomy matters.",
}
"""Next steps by what is measured of a series of slices."""
LABEL = "Check patient, body part, side and view in the header before the image is read."
OF_HEADER = dict.fromkeys(
    ("pixels_contradict_body_part", "body_part_contradicts_modality", "view_contradicts_body_part",
     "laterality_unexpected", "marker_contradicts_laterality", "another_kind"), LABEL,
)  # fmt: skip
"""Next steps where the header says something else than the pixels, or than itself."""
LOOK = "Look at the image yourself."
NOTHING = "Nothing to do."
JUDGED_ELSEWHERE = frozenset({"phantom", "derived_image"})
"""Reasons for what is judged on another page, or by another image of the same exposure."""


def next_step(assessment: Assessment | None, disposition: Disposition) -> str:
    """One sentence in the language that is spoken now."""
    if disposition.verdict is Verdict.ACCEPT and not disposition.attention:
        return say(NOTHING)
    if any(reason.name in JUDGED_ELSEWHERE for reason in disposition.reasons) and not disposition.flagged:
        return say(NOTHING)
    look = LOOK if searched(disposition) is None else LOOK_FOR_REST
    reasons = [one for one in deciding_first(disposition) if not _is_about_another(one, disposition)]
    hints = [(one, hint) for one in reasons if (hint := _hint(one, assessment, look))]
    if not hints:
        return say(look)
    (first, text), *others = hints
    if first.name in PROCESSED_AGAIN:  # that no new exposure is needed is wrong as soon as another reason asks for one
        again = [hint for one, hint in others if one.name not in PROCESSED_AGAIN and one.verdict.flagged]
        return " ".join([f"{text.partition(';')[0].rstrip('.')}.", again[0]]) if again else text
    return text


def _is_about_another(reason: Reason, disposition: Disposition) -> bool:
    """Whether a flagged image has worse to say: what only keeps from ACCEPT, and what waits for a physician."""
    return disposition.verdict.flagged and not reason.verdict.flagged


def _hint(reason: Reason, assessment: Assessment | None, look: str) -> str:
    if step := (OF_SERIES | OF_HEADER).get(reason.name):
        return say(step)
    if reason.name == "experimental":
        return say(look)
    own = advice(reason, assessment, LANGUAGE.get())
    if own or not reason.finding:
        return own
    supported = Reason(reason.finding, reason.text, reason.code, reason.verdict)
    return advice(supported, assessment, LANGUAGE.get())
