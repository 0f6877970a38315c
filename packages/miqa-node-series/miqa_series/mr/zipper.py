"""Zippers of an MR series: a line of interference from one end of the picture to the other."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from miqa_node.libraries.plain_statistics.scales import POSITIVE
from miqa_node.stages.measure.series_view import Mask, SliceView, Values
from miqa_series.mr.ghost import surroundings
from miqa_series.mr.patient import leaves_field, magnitude, mr_measure, threshold
from miqa_series.stacks.whole import SliceNumber, fifth_slice, is_sampled

WIDTH_PX = 3
"""A zipper is narrower; its line is compared with those so far away on both sides."""
OPENED_PX = 7
"""Narrower than this is nothing of the patient."""
MIN_PATIENT_SHARE = 0.02
FROM_SHARE = 0.65
"""Interference is bright in every other pixel at least; in a third of the line a vessel or a fold may be."""
LEAST_AIR = 0.2
"""Of the pixels of a line; of less air alone nothing is said."""
LEAST_AIR_PX = 20


def line_brightness(image: Values, air: Mask) -> NDArray[np.float32]:
    """How much brighter each column is than the columns beside it, in the image's unit; 0 where it is not.

    What is seen along the whole column counts, and along its air if there is enough.

    >>> image = np.full((64, 64), 3.0, np.float32); image[::2, 30] = 12.0
    >>> line_brightness(image, np.zeros((64, 64), bool))[28:33].tolist()
    [0.0, 0.0, 9.0, 0.0, 0.0]
    """
    beside = np.maximum(image[:, : -2 * WIDTH_PX], image[:, 2 * WIDTH_PX :])
    above = image[:, WIDTH_PX:-WIDTH_PX] - beside
    free = air[:, WIDTH_PX:-WIDTH_PX] & air[:, : -2 * WIDTH_PX] & air[:, 2 * WIDTH_PX :]
    everywhere, in_air = _reached(above, np.ones_like(free)), _reached(above, free)
    enough = free.sum(axis=0) >= max(LEAST_AIR_PX, LEAST_AIR * image.shape[0])
    bright = np.maximum(np.where(enough, np.minimum(everywhere, in_air), everywhere), 0.0)
    return np.asarray(np.pad(bright, WIDTH_PX), np.float32)


def _reached(values: Values, counted: Mask) -> Values:
    """The number that ``FROM_SHARE`` of the counted pixels of each column do not reach; −inf without any."""
    ordered = np.sort(np.where(counted, values, np.float32(np.inf)), axis=0)
    numbers = counted.sum(axis=0)
    index = (FROM_SHARE * np.maximum(numbers - 1, 0)).astype(np.intp)
    reached = np.take_along_axis(ordered, index[None], axis=0)[0]
    return np.where(numbers > 0, reached, np.float32(-np.inf))


def _lines(view: SliceView) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Brightness of columns and rows in percent of the patient's; None without a patient."""
    image = view.once(magnitude)
    bright = (image > view.series.once(threshold)).astype(np.uint8)
    patient: Mask = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((OPENED_PX, OPENED_PX), np.uint8)) > 0
    if patient.mean() < MIN_PATIENT_SHARE or min(image.shape) <= 4 * WIDTH_PX:
        return None
    percent, air = image * np.float32(100.0 / float(np.median(image[patient]))), ~surroundings(patient)
    return line_brightness(percent, air), line_brightness(percent.T, air.T)


def _zipper(view: SliceView) -> SliceNumber | None:
    lines = view.once(_lines) if is_sampled(view) else None
    return None if lines is None else SliceNumber(view.index, float(max(one.max() for one in lines)))


MR_ZIPPER = mr_measure(
    name="mr_zipper",
    unit="%",
    least_spread=2.0,
    scale=POSITIVE,
    label="Zipper",
    summary="Brightness of the brightest line of interference, in percent of the patient's signal.",
    definition="For each row and column the amount by which 35 % of its pixels exceed both pixels three further to the "
    "sides, and by which 35 % of those in air do; the smaller of both, and the largest of all lines, per median of the "
    "patient. What a fifth of some 40 slices reach. Own definition.",
    validity="Slices that show a patient. A line within 3 pixels of the border, and a broader band, are not seen.",
    tolerance="Lines of 30 % drawn into structural volumes of 8 scanners give 20 to 30 %, unaltered ones 0 to 3 %; "
    "echo-planar ones up to 7 %.",
    agreement=2.0,
    proof="A line drawn into a head without noise.",
    decimals=0,
    rank=555,
    unless=leaves_field,
    each=_zipper,
    take=fifth_slice("mr_zipper", "%"),
    along="alone",
    concern="Radio interference from outside or inside the scanner room lays a bright line over the picture: close the "
    "door, look for equipment that was switched on, and call the service if it comes back.",
)
