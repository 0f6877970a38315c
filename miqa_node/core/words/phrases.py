"""All English phrases of the narrative: a table for each kind of sentence, and one for next steps.

The words are the message ids of the catalogue in ``core/language/locale``; :func:`messages` lists them all, and a test
requires a translation of each. Braces are placeholders for numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from miqa_node.core.domain.label import ObjectKind
from miqa_node.core.domain.measurand import every_measurand
from miqa_node.core.domain.object_place import ChestRegion, WornAt
from miqa_node.core.domain.prediction import PendingReason
from miqa_node.core.domain.verdict import Verdict

VERDICTS: Mapping[Verdict, str] = {
    Verdict.ACCEPT: "Accepted: the image meets the quality rules of this site.",
    Verdict.REVIEW: "Review: the image does not meet all quality rules of this site; a person should look at it.",
    Verdict.REJECT: "Rejected: the image is probably not usable; a person should look at it now.",
    Verdict.NOT_ASSESSED: "Not assessed: the quality of the image was not judged.",
}
EXPERIMENT = "Not assessed: what was found or measured is experimental and does not count yet."
BY_MEASUREMENTS = "The measurements that the policy asks for were taken, and none is beyond its limit."
SCORE = "Quality score {score} of 100."
NO_DEFECT = "No quality defect was found."

GRADES = ("slight", "moderate", "marked", "severe")
GRADE_LIMITS = (0.375, 0.625, 0.875)
"""Half way between the marks 0.25, 0.5, 0.75 and 1 of docs/reference/findings.md."""
CERTAINTIES = ("possible", "likely", "certain")
CERTAINTY_LIMITS = (0.7, 0.9)
"""Calibrated probabilities from which pages call a finding likely and certain."""
FINDING = "{finding}: {grade} (probability {probability} %)."
FINDING_LIKE = "{finding}: {grade}, {like} (probability {probability} %)."
AT: Mapping[tuple[str, str], str] = {
    ("upper", "right"): "upper part, on the patient's right",
    ("upper", "left"): "upper part, on the patient's left",
    ("upper", ""): "in the upper part",
    ("middle", "right"): "on the patient's right",
    ("middle", "left"): "on the patient's left",
    ("middle", ""): "in the middle",
    ("lower", "right"): "lower part, on the patient's right",
    ("lower", "left"): "lower part, on the patient's left",
    ("lower", ""): "in the lower part",
}
"""Places by thirds of the height, and by the side of the patient."""
SEEN = "Seen: {place}."
BELOW_LIMIT = "Below its limit: {finding}"
WORN: Mapping[WornAt | None, str] = {
    WornAt.NECK: "Something worn at the neck",
    WornAt.CLOTHES: "Something on the clothes",
    None: "Something that can be taken off",
}
MARKS: Mapping[str, Mapping[ObjectKind, str]] = {
    "Can be taken off": {
        ObjectKind.NECK: WORN[WornAt.NECK],
        ObjectKind.CLOTHES: WORN[WornAt.CLOTHES],
        ObjectKind.SNAP: "Snap",
        ObjectKind.REMOVABLE: WORN[None],
    },
    "Medical device": {
        ObjectKind.MONITORING: "Electrode or lead",
        ObjectKind.IMPLANT: "Implant",
        ObjectKind.TUBE_LINE: "Tube or line",
    },
}
"""Kinds of objects that readers mark, by what is to be done with them."""
OVER: Mapping[tuple[str, str], str] = {
    ("apex", "right"): "over the right apex",
    ("apex", "left"): "over the left apex",
    ("apex", ""): "over an apex",
    ("lung", "right"): "over the right lung",
    ("lung", "left"): "over the left lung",
    ("lung", ""): "over a lung",
    ("both apices", ""): "from the right to the left apex",
    ("both lungs", ""): "over both lungs",
    ("edge", "right"): "at the edge of the right lung",
    ("edge", "left"): "at the edge of the left lung",
    ("edge", ""): "at the edge of a lung",
    ("mediastinum edge", ""): "at the edge of the mediastinum",
    ("mediastinum", ""): "over the mediastinum",
    ("outside", ""): "outside of the lungs",
}
"""What it lies over, by part and side of the patient."""
TAKE_OFF: Mapping[ChestRegion, str] = {
    ChestRegion.LUNG: "Have it taken off and repeat.",
    ChestRegion.MEDIASTINUM: "Have it taken off and repeat.",
    ChestRegion.OUTSIDE: "Have it taken off before the next image; it hides nothing on this one.",
}
NOTHING_FOUND = "Nothing needs attention"
SEARCHED = "No fault found in {groups}."
"""Of a series that no rule flags: in what it was searched."""
NOT_SEARCHED = "Not looked for: {faults}."
NO_SEARCH = "No fault was looked for."
FOUND = "Looked for and found: {faults}."
NOT_FOUND = "Looked for and not found: {faults}."
LOOK_FOR_REST = "Look yourself for what was not looked for."

GATE = "{gate}: the image is outside the model's scope; other findings do not count (probability {probability} %)."

MEASURED = "Measured: {list}."
RULES: Mapping[str, str] = {
    "above": "{measurement} is {value}, above the limit of {limit}.",
    "below": "{measurement} is {value}, below the limit of {limit}.",
}

PLAUSIBILITY: Mapping[str, str] = {
    "body_part_missing": "The header does not say which body part this is.",
    "body_part_contradicts_modality": "The body part in the header does not fit the modality.",
    "pixels_contradict_body_part": "The pixels do not show the body part in the header: check label and patient.",
    "view_missing": "The header does not say which view this is.",
    "view_contradicts_body_part": "The view in the header does not fit the body part.",
    "laterality_missing": "The header does not say which side this is.",
    "laterality_unexpected": "The header names a side, but the view shows both.",
    "orientation_missing": "The header does not say where left and right are.",
    "orientation_unusual": "By its header the image is mirrored or turned.",
    "spacing_missing": "The header gives no pixel spacing: nothing can be measured in millimetres.",
    "voi_missing": "The header gives no window: each viewer will show the image differently.",
    "voi_clips_image": "The window shows most of the image as pure black or white.",
    "for_processing": "The image is raw data for processing and was not made for viewing.",
    "grayscale_contradiction": "The header contradicts itself about black and white: viewers may show it inverted.",
    "inverted_look": "The lungs are brighter than the mediastinum: black and white are probably exchanged.",
    "exposure_index_missing": "The header gives no exposure index, so the dose cannot be judged by it.",
    "deviation_index_low": "By its header the image got less than half of the intended exposure.",
    "deviation_index_high": "By its header the image got more than double the intended exposure.",
    "burned_in_annotation": "The header says that text is burned into the pixels.",
    "burned_in_contradicted": "The header says that no text is burned in, but the pixels hold some that may identify.",
    "marker_contradicts_laterality": "A letter in the picture names the other side than the header.",
    "quality_control_image": "The header calls this a phantom or a quality control image.",
    "blank_image": "The image is blank, or holds nothing but noise.",
    "bits_stored_exceeded": "The pixels use more bits than the header allows.",
    "bits_stored_unused": "The highest bits of the pixels are never used.",
    "matrix_contradicts_header": "The image has another size than its header says.",
    "conflicting_instance": "Another image came under the same UID; both are kept.",
    "undecodable_slices": "Some slices could not be decoded and took no part.",
    "slice_sizes_differ": "Some slices have another size than the others and took no part.",
}

ANOMALY_SITE = "The image is more unusual than {percentile} of the images of this site; this need not be a defect."
ANOMALY_TRAINING = (
    "The image is more unusual than {percentile} of the model's training images; this need not be a defect."
)

CAPTION = "Machine-written by {writer}, not checked by a person: {sentence}"

PREDICTION = "{package}: {label} with a confidence of {confidence} % (decision support, not diagnosis)."
NO_PREDICTION = "{package}: no prediction (decision support, not diagnosis)."
PENDING: Mapping[PendingReason, str] = {
    PendingReason.LOW_CONFIDENCE: "The prediction waits for a person: it is not sure enough.",
    PendingReason.QUALITY_FIRST: "The prediction waits for a person: the quality of the image comes first.",
    PendingReason.OUT_OF_DISTRIBUTION: "The prediction waits for a person: the image is too unusual.",
    PendingReason.NOT_PROVEN: "The prediction waits for a person: it is not shown to be right often enough.",
    PendingReason.NOT_JUDGED: "The package could not judge this image.",
}

TRUNK = ("CHEST", "ABD", "RIB", "STERNUM", "SPINE")
ELSEWHERE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "motion_blur": (TRUNK, "Repeat with the part supported and held still, and use a shorter exposure time."),
    "clipped_anatomy": (
        ("CHEST",),
        "If the collimation did not merely hide it, repeat with the whole part in the field.",
    ),
    "device_in_view": (("CHEST",), "Leave it in place."),
}
"""The parts that the taxonomy's next step is about, by what their terms contain, and that of all others."""
ADVICE: Mapping[str, str] = {
    "deviation_index_low": "Check the exposure settings before the next patient.",
    "deviation_index_high": "Check the exposure settings before the next patient.",
    "inverted_look": "Have black and white exchanged; no new exposure is needed.",
    "voi_clips_image": "Set the window again; no new exposure is needed.",
    "blank_image": "Repeat if this was meant to be an image of a patient.",
    "conflicting_instance": "Find out which of the two images is right.",
    "undecodable_slices": "Have the series sent again, uncompressed if need be.",
    "anomaly": "Look at the marked region; it need not be a defect.",
    PendingReason.LOW_CONFIDENCE: "Have a physician read the image; do not use the prediction by itself.",
    PendingReason.QUALITY_FIRST: "Have a physician read the image; do not use the prediction by itself.",
    PendingReason.OUT_OF_DISTRIBUTION: "Have a physician read the image; do not use the prediction by itself.",
    PendingReason.NOT_PROVEN: "Have a physician read the image; do not use the prediction by itself.",
    PendingReason.NOT_JUDGED: "Have a physician read the image; do not use the prediction by itself.",
    "not_assessed": "Look at the image yourself: its quality was not assessed.",
    "experimental": "Look at the image yourself: what the node says of such images does not count yet.",
}
"""Next steps by the name of a reason; the taxonomy has those of findings."""


def messages() -> Iterator[str]:
    """Every message id."""
    yield from (*VERDICTS.values(), EXPERIMENT)
    yield from (CAPTION, PREDICTION, NO_PREDICTION, *PENDING.values())
    yield from (
        BY_MEASUREMENTS,
        SCORE,
        NO_DEFECT,
        FINDING,
        FINDING_LIKE,
        GATE,
        MEASURED,
        ANOMALY_SITE,
        ANOMALY_TRAINING,
    )
    yield from (*GRADES, *CERTAINTIES)
    yield from (*AT.values(), SEEN, BELOW_LIMIT)
    yield from (*WORN.values(), *OVER.values(), *dict.fromkeys(TAKE_OFF.values()))
    yield from (*MARKS, *dict.fromkeys(word for kinds in MARKS.values() for word in kinds.values()))
    yield from (NOTHING_FOUND, SEARCHED, NOT_SEARCHED, NO_SEARCH, FOUND, NOT_FOUND, LOOK_FOR_REST)
    for table in (RULES, PLAUSIBILITY, ADVICE):
        yield from table.values()
    yield from (hint for _, hint in ELSEWHERE.values())
    yield from (one.phrase for one in every_measurand() if one.phrase)
    yield from (one.label for one in every_measurand())
