"""The points that the landmark networks find, in the order of their outputs.

``l`` and ``r`` in a name are the sides of the image, not of the patient.
"""

from __future__ import annotations

from miqa_node.core.domain.landmarks import IMAGE_SIDES

POINTS = (
    "apex_l", "apex_r", "cpa_l", "cpa_r", "dome_l", "dome_r", "clav_l", "clav_r",
    "spine_clav", "spine_low", "lat_l", "lat_r",
)  # fmt: skip
"""Apices, costophrenic angles, domes, medial ends of the clavicles, spine at the height of the clavicles and of the
domes, widest inner rib cage."""
NUMBER = {name: index for index, name in enumerate(POINTS)}
SIDES = IMAGE_SIDES
"""Sides of the image, in the order of all arrays with one number per side."""
CLOSE_UP_POINTS = ("clav_l", "clav_r", "spine_clav")
"""Points in the close-up."""
CLOSE_UP_INDEX = [NUMBER[name] for name in CLOSE_UP_POINTS]
_PARTNER = {"l": "r", "r": "l"}
MIRRORED = [NUMBER[name[:-1] + _PARTNER[name[-1]]] if name[-2:] in {"_l", "_r"} else NUMBER[name] for name in POINTS]
"""Index of each point's counterpart on the other side; a point on the midline is its own."""
MIRRORED_SIDES = [1, 0, 2, 3]
"""Index of the side that each side of the image becomes in its mirror image."""
