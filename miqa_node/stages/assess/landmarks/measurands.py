"""The measurements derived from anatomical points; available if a landmark package judged the image."""

from __future__ import annotations

from miqa_node.core.domain.measurand import Measurand

SECTION = "Anatomy"

ROTATION_PERCENT = Measurand(
    name="rotation_percent",
    unit="%",
    label="Rotation about the patient's axis",
    code="PATIENT_ROTATION",
    summary="Asymmetry of the clavicles about the spine; positive if the gap at the image's right is wider.",
    definition="Distance from the spine to the medial end of the clavicle at the image's right, less that at the "
    "image's left, over their sum: −100 to 100, 0 is straight, positive if the gap at the IMAGE's right is wider. "
    "Readers call 20 % slight and 45 % marked.",
    validity="Frontal chests of adults that a landmark package judged; supine bedside images are the hardest. Where "
    "the clavicles are hidden it is the network's estimate by the rest of the chest, which is less exact.",
    tolerance="12 percentage points off in the median where clavicles are seen (50 images of hospitals that the "
    "network never learned from, card of landmarks-0.5.0).",
    section=SECTION,
    rank=300,
)
RIBS_ABOVE_DOME = Measurand(
    name="ribs_above_dome",
    unit="1",
    report_unit="{ribs}",
    label="Posterior ribs above the diaphragm",
    summary="Posterior ribs above the dome of the diaphragm at the image's left, which shows how deep the breath was.",
    definition="Number of posterior ribs above the dome of the diaphragm at the image's left, as the network estimates "
    "it; 9 to 10 is a full inspiration of an adult. It has decimals because it is an estimate.",
    validity="Frontal chests of adults that a landmark package judged; supine bedside images are the hardest.",
    tolerance="0.6 off on average (same images).",
    section=SECTION,
    rank=310,
)
LUNG_HEIGHT_RATIO = Measurand(
    name="lung_height_ratio",
    unit="1",
    label="Height of the lung over width of the chest",
    code="LUNG_HEIGHT",
    summary="Height of the lung field at the image's left over the inner width of the rib cage.",
    definition="Distance in rows from the apex of the lung to the dome of the diaphragm at the image's left, over the "
    "distance in columns between the widest points of the inner rib cage, both in mm where pixels are not square. "
    "Below .6 the breath was mostly shallow.",
    validity="Frontal chests of adults that a landmark package judged; supine bedside images are the hardest.",
    tolerance="Not known: points are 1.3 % of the image's width off in the median (same images).",
    section=SECTION,
    rank=320,
)
TILT_DEG = Measurand(
    name="tilt_deg",
    unit="deg",
    label="Tilt of the spine in the image",
    code="SPINE_TILT",
    summary="Angle of the spine against the vertical; positive if its top leans to the image's right.",
    definition="Angle between the image's columns and the line from the spine between the domes to the spine between "
    "the clavicles; positive if the top leans to the IMAGE's right.",
    validity="Frontal chests of adults that a landmark package judged; supine bedside images are the hardest.",
    tolerance="1.3° off in the median (same images).",
    section=SECTION,
    rank=330,
)
MIRRORED_PERCENT = Measurand(
    name="mirrored_percent",
    unit="%",
    label="Mirror image, chance by anatomy",
    code="MIRRORED",
    summary="Chance that the image is a mirror image, by heart, aorta and diaphragm; rotated patients look like one.",
    definition="Probability by the network, which was shown images and their mirror images, that the patient's right "
    "is not at the IMAGE's left. It flags nothing by itself.",
    validity="Frontal chests of adults that a landmark package judged; supine bedside images are the hardest. A heart "
    "on the right gives the same; so may a patient who is turned.",
    tolerance="AUROC .97 against mirror images of the same patients; 2.3 % of ordinary images look mirrored ([side "
    "markers](../explanation/positioning.md#side-markers)).",
    section=SECTION,
    rank=335,
)
CUT_SIDES = Measurand(
    name="cut_sides",
    unit="1",
    report_unit="{sides}",
    label="Sides at which lung is cut off, expected",
    summary="Expected number of sides of the image, 0 to 4, at which lung is cut off.",
    definition="Sum over the four sides of the image of the chance that lung is cut off there by the border or the "
    "collimation. In `--json` its `sides` names those that are a finding, as sides of the IMAGE, and `chances` gives "
    "each side's chance.",
    validity="Frontal chests of adults that a landmark package judged; supine bedside images are the hardest. Cuts "
    "were mostly simulated; how well real ones at other sides than the bottom are found is not known.",
    tolerance="AUROC .98 for the side (50 images, 4 of them cut; card of landmarks-0.5.0).",
    section=SECTION,
    rank=340,
)
LUNG_MARGIN = Measurand(
    name="lung_margin",
    unit="mm",
    other_units=("%",),
    label="Smallest distance from lung to border",
    summary="Smallest distance from the lungs to the border or collimation; negative is the missing part.",
    definition="Smallest of the distances from the lungs to the four sides of the exposed field, as the network "
    "estimates them, in mm at the detector plane by the pixel spacing of the header, else in percent of the image's "
    "width or height. Negative where lung is cut off: about how much of it is missing.",
    validity="Frontal chests of adults that a landmark package judged; supine bedside images are the hardest. Lengths "
    "are estimates at the detector, not in the patient.",
    tolerance="What is missing is 2.3 to 2.8 % of the image's side off in the median, on simulated cuts; of whole "
    "lungs it is not known.",
    section=SECTION,
    rank=350,
)


def _margin_at(side: str, rank: int) -> Measurand:
    return Measurand(
        name=f"lung_margin_{side}",
        unit="mm",
        other_units=("%",),
        label=f"Distance from lung to the border, image's {side}",
        code=f"LUNG_MARGIN_{side[0].upper()}",
        summary=f"Distance from the lungs to the border or collimation at the image's {side}; negative is the missing "
        "part.",
        definition=f"As `lung_margin`, at the side {side} of the IMAGE only.",
        validity="As `lung_margin`.",
        tolerance="As `lung_margin`.",
        section=SECTION,
        rank=rank,
    )


LUNG_FIELD_PERCENT = Measurand(
    name="lung_field_percent",
    unit="%",
    label="Visible lung, share of the image",
    code="LUNG_FIELD",
    summary="Share of the image's area that shows lung; low where the field was opened too far or little lung is seen.",
    definition="Area inside the outlines of both lungs over the area of the image, without the parts of the lungs "
    "behind heart and diaphragm. Of well collimated adults about a third.",
    validity="Frontal chests of adults that a landmark package judged; supine bedside images are the hardest. Where "
    "lung is as white as the heart, the inner border is a guess.",
    tolerance="Outlines agree with those drawn by others with a Dice coefficient of .94 in the median (274 images; "
    "card of landmarks-0.5.0); the error of the share is not known.",
    section=SECTION,
    rank=360,
)
LUNG_MARGIN_LEFT, LUNG_MARGIN_RIGHT = _margin_at("left", 351), _margin_at("right", 352)
LUNG_MARGIN_TOP, LUNG_MARGIN_BOTTOM = _margin_at("top", 353), _margin_at("bottom", 354)
LUNG_MARGINS = (LUNG_MARGIN_LEFT, LUNG_MARGIN_RIGHT, LUNG_MARGIN_TOP, LUNG_MARGIN_BOTTOM)
"""In the order of :data:`miqa_node.stages.assess.landmarks.points.SIDES`."""


def _markers_of(side: str, letters: str, rank: int) -> Measurand:
    return Measurand(
        name=f"{side}_markers",
        unit="1",
        report_unit="{letters}",
        label=f"Side markers that name the patient's {side}",
        code=f"{side.upper()}_MARKERS",
        summary=f"Letters in the picture that name the patient's {side}: {letters}.",
        definition=f"Letters {letters} that the network reads with a certainty of .7 or more; 0: none. Its place says "
        "where the most certain one stands.",
        validity="Radiographs of any part, if a landmark package that reads markers is installed. Words, initials and "
        "letters of other languages are not read.",
        tolerance="On other parts than the chest 8 of 12 letters are read, none wrongly ([how well]"
        "(../explanation/any-radiograph.md#field-and-markers)); on chests not counted with this certainty.",
        section=MARKERS,
        rank=rank,
    )


PART_AGREES = Measurand(
    name="part_agrees",
    unit="1",
    label="Chest in the pixels agrees with the header",
    summary="1 if the pixels show a frontal chest and so may the body part in the header, 0 if it names another part.",
    definition="Given where both lungs are seen beyond doubt ([how well]"
    "(../explanation/any-radiograph.md#the-body-part-from-the-pixels)) and the header names a part. 1: a chest, or a "
    "part whose images may show lungs, such as shoulder, spine or abdomen; 0: any other. It flags nothing by itself.",
    validity="Upright images with both lungs in view; of frontal chests nine in ten are seen as such.",
    tolerance="Of 303 images of other parts and of the spine none was taken for a chest; limits were chosen on them.",
    section=SECTION,
    rank=361,
    concern="The picture may be filed under the wrong body part, or under the wrong patient.",
)


MARKERS = "Side markers"
LEFT_MARKERS, RIGHT_MARKERS = _markers_of("left", "L", 370), _markers_of("right", "R or D", 371)
MARKER_AGREES = Measurand(
    name="marker_agrees",
    unit="1",
    label="Side marker names the side in the header",
    summary="1 if the letters in the picture name the side in the header, 0 if they name the other one.",
    definition="1 if the letters name the side of Image Laterality (0020,0062), Laterality (0020,0060) or the coded "
    "modifier, 0 if they name the other.",
    validity="Images whose header names a side of a paired part, with letters of one side: of a frontal chest the "
    "finding `side_marker_wrong` says where a letter stands.",
    tolerance="As `left_markers`. No image with a wrong marker was at hand, so how often a 0 is right is not known.",
    section=MARKERS,
    rank=372,
    concern="The picture may be filed under the wrong side of the patient.",
)
