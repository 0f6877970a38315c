"""The meaning of a destination's status for a delivery: done, try again, or never (PS3.4 B.2.3, PS3.7 C.5)."""

from __future__ import annotations

from miqa_node.core.domain.dimse_status import in_words
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ClassRefusedError, DeliveryError, DeliveryRefusedError
from miqa_node.stages.deliver.kinds.base import OnWarning

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
DUPLICATE_SOP_INSTANCE = 0x0111
SOP_CLASS_NOT_SUPPORTED = 0x0122

HAD_IT = Phrase("The archive had it already: it answered {status}.")
HAD_IT_FOUND = Phrase("The archive had it already: it answered {status}, and a search found it.")
WARNED = Phrase("It arrived with the warning {status}.")
NOTES = (HAD_IT, HAD_IT_FOUND, WARNED)
"""Notes on deliveries that arrived, perhaps earlier, when the answer was lost."""

# The same object would always get these statuses: only a person can help.
_FINAL = frozenset({0x0115, 0x0117, 0x0119, 0x0211, 0x0212, *range(0xA900, 0xAA00)})
_WARNINGS = frozenset({0x0001, 0x0107, 0x0116, *range(0xB000, 0xC000)})


def is_warning(status: int) -> bool:
    """Whether a status says that an object was stored, but with changes."""
    return status in _WARNINGS


def note_of(status: int) -> str | None:
    """What people should know of an object that arrived with a status; None if nothing."""
    if status == DUPLICATE_SOP_INSTANCE:
        return Phrase(HAD_IT, status=in_words(status))
    return Phrase(WARNED, status=in_words(status)) if is_warning(status) else None


def judge(status: int, on_warning: OnWarning) -> bool:
    """Whether the object arrived without a warning; False if it arrived with an accepted warning.

    Raises
    ------
    ClassRefusedError
        The destination takes no object of this SOP class.
    DeliveryRefusedError
        The same object would be refused again.
    DeliveryError
        The object did not arrive, or the warning is not accepted.
    """
    if status == SUCCESS:
        return True
    if status == DUPLICATE_SOP_INSTANCE:  # the object is already there; a result is the same object each time
        return False
    if status == SOP_CLASS_NOT_SUPPORTED:
        raise ClassRefusedError(
            "The peer answered with status 0x{status}: it takes no objects of this SOP class.", status=f"{status:04X}"
        )
    if is_warning(status):
        if on_warning is OnWarning.ACCEPT:
            return False
        raise DeliveryError(
            "The peer answered with the warning {status}; on_warning is retry.", status=in_words(status)
        )
    kind = DeliveryRefusedError if status in _FINAL else DeliveryError
    raise kind(Phrase("The peer answered with status {status}.", status=in_words(status)))
