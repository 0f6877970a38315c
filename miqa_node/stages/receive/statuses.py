"""Maps an error during reception to the status for the sender (PS3.4 B.2.3)."""

from __future__ import annotations

from miqa_node.dicom.bytes.spelling import spelled
from miqa_node.errors import MiqaError, MismatchError, UnreadableError, lacks_resources

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (MemoryError, OUT_OF_RESOURCES),
    (MismatchError, DOES_NOT_MATCH),
    (UnreadableError, CANNOT_UNDERSTAND),
)


def status_of(error: Exception) -> int:
    """The status for an error during reception; 0xC000 for an unexpected one.

    >>> f"{status_of(MismatchError()):04X}", f"{status_of(OSError(28, '')):04X}"
    ('A900', 'A700')
    """
    if lacks_resources(error):
        return OUT_OF_RESOURCES
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), CANNOT_UNDERSTAND)


def comment_of(error: Exception) -> str:
    """An Error Comment (0000,0902) for the sender's log: printable ASCII, at most 64 characters.

    >>> comment_of(UnreadableError("1 × 2 Größe 患"))
    '1 x 2 Groesse <U+60A3>'
    """
    if isinstance(error, MiqaError):
        text = str(error)
    else:
        text = "Out of resources" if status_of(error) == OUT_OF_RESOURCES else "Internal error, see the node's log"
    plain = "".join(c if " " <= c <= "~" and c != "\\" else " " for c in spelled(text))
    return plain[:64].strip()
