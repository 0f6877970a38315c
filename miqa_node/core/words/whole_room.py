"""What is told of a room as a whole, in words: what most of its images show, and what to check there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.rule import ANOMALY
from miqa_node.core.language.catalogue import reworded, say
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.words.formats import finding
from miqa_node.core.words.reason import UNUSUAL

_UNSHARP = Phrase("Check focus, exposure time, how patients are supported, and the detector.")
_EXPOSURE = Phrase("Check the automatic exposure control.")
CHECKS: Mapping[str, str] = {
    FindingName.NOISE: Phrase("Check dose and exposure index, the grid, and the calibration of the detector."),
    FindingName.UNSHARP: _UNSHARP,
    FindingName.MOTION_BLUR: _UNSHARP,
    FindingName.CONTRAST_PROCESSING: Phrase("Check the processing and its look-up table."),
    FindingName.UNDEREXPOSURE: _EXPOSURE,
    FindingName.OVEREXPOSURE_SATURATION: _EXPOSURE,
    ANOMALY: Phrase("The figures of the card do not hold in this room: find out how its images differ from others."),
}


def shown(names: Iterable[str]) -> str:
    """What most images show, in the language that is spoken now.

    >>> shown(["noise", "anomaly"])
    'Noisy, Unusual image'
    """
    return ", ".join(say(UNUSUAL) if name == ANOMALY else finding(name) for name in names)


def to_check(names: Iterable[str]) -> str:
    """What to check, each sentence once.

    >>> to_check(["underexposure", "overexposure_saturation", "contrast_processing"])
    'Check the automatic exposure control. Check the processing and its look-up table.'
    """
    return " ".join(dict.fromkeys(reworded(CHECKS[name]) for name in names if name in CHECKS))
