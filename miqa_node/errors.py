"""All errors that the node raises on purpose; each message says what to do.

MiqaError
├── SettingsError          a setting is missing, unknown or contradictory
├── AdmissionError         the peer may not store here, or not now
│   └── ResourcesError     disk watermark reached or database down (C-STORE status 0xA700)
│       ├── TooLargeError      the object is larger than the settings allow; sending it again will not help
│       └── OutdatedError      the tables are those of an older version and will be migrated
├── UnreadableError        the object cannot be understood
│   ├── DataSetError       not a DICOM data set, or a UID the standard forbids (0xC000)
│   ├── MismatchError      SOP class or instance UID differs from the request's (0xA900)
│   ├── DecodeError        the pixels cannot be decoded; the data set itself was stored
│   │   ├── DecodeLimitError   the decoder ran past its time or memory limit, or crashed
│   │   └── NotAnImageError    there are no pixels to judge, as in a report or a segmentation
│   └── ArchiveError       a ZIP file that is damaged, locked or beyond the limits
├── ModelPackageError      a model package is incomplete, altered or not runnable here
├── CaptionError           a backend wrote no caption; the image is assessed without one
├── ReportError            a result object would not be valid DICOM
├── DeliveryError          one attempt to deliver one object failed; it will be tried again
│   ├── DeliveryRefusedError    the destination will never take this object; a person must look
│   │   └── ClassRefusedError   … nor any other of its SOP class; a lower class may be taken
│   ├── CommitmentUnsupportedError    the destination never promises to keep objects; they stay SENT
│   └── CutOffError            an archive has more matches of a search than it gives
├── QueryError             a search asks for a value that its attribute cannot have
├── InputError             a person or a program names something that cannot be meant; nothing was done
├── AccessError            an account, password, link or token is not usable
│   └── UnansweredError        … nobody can say so now: the site's sign-on does not answer
├── SignatureError         a signed document was changed, or signed with another key
├── BackupError            a backup is incomplete, or was changed, or may not be restored there
├── NotFoundError          no such instance, worklist item or delivery
│   └── RemovedError           it was here; retention or an erasure removed it
└── ConflictError          the item is in a state that does not allow the transition
"""

from __future__ import annotations

import errno
import traceback
from pathlib import Path
from typing import Any

from miqa_node.core.language.phrase import Phrase


class MiqaError(Exception):
    """Base of all errors raised on purpose. The message never contains patient data.

    Its text is a phrase, so that pages can say it in their language: the values stand in the message's braces.

    >>> str(MiqaError("There is no account {name}.", name="anna")).values["name"]
    'anna'
    """

    def __init__(self, message: str = "", /, **values: object) -> None:
        super().__init__(Phrase(message, **values))

    def __str__(self) -> str:
        """A Phrase."""
        text: Phrase = self.args[0]
        return text


class SettingsError(MiqaError):
    """A setting is missing, unknown or contradictory."""


class FormerPolicyError(SettingsError):
    """The policy has the form of earlier versions; `miqa-node policy convert` reads it."""

    def __init__(self) -> None:
        super().__init__(
            "policy.toml: it has the form of earlier versions, with [[scope]]. `miqa-node policy convert FILE --out "
            "NEW` writes it as rules."
        )


class AdmissionError(MiqaError):
    """The peer may not store here, or not now."""


class ResourcesError(AdmissionError):
    """No disk space or no database: the sender should try again later (0xA700)."""


class BusyError(ResourcesError):
    """Others use the database, which works, for longer than its time-out."""


class TooLargeError(ResourcesError):
    """The object is larger than the settings allow: sending it again will not help."""


class OutdatedError(ResourcesError):
    """The database has the tables of an older version, which the next start or ``miqa-node migrate`` brings up."""


class UnreadableError(MiqaError):
    """The object cannot be understood."""


class DataSetError(UnreadableError):
    """Not a DICOM data set, or one with a UID that PS3.5 9.1 forbids (0xC000)."""


class MismatchError(UnreadableError):
    """SOP class or instance UID of the request and of the data set differ (0xA900)."""


class DecodeError(UnreadableError):
    """The pixels cannot be decoded; the stored data set is kept unchanged."""


class DecodeLimitError(DecodeError):
    """The decoder ran past its time or memory limit, or its process died."""


class NotAnImageError(DecodeError):
    """The object is not a picture of a patient, such as a report or a segmentation: there is nothing to judge."""


class ArchiveError(UnreadableError):
    """A ZIP file is damaged, locked or beyond the limits; nothing after the offending member was read."""


class ModelPackageError(MiqaError):
    """A model package is incomplete, altered or not runnable on this machine."""


class InferenceError(MiqaError):
    """A graph gave no usable values for an image."""


class CaptionError(MiqaError):
    """A backend wrote no caption; the image is assessed without one."""


class ReportError(MiqaError):
    """A result object would not be valid DICOM."""


class DeliveryError(MiqaError):
    """One attempt to deliver failed; the lane will try again, not before ``retry_after_s`` if the receiver asked so."""

    def __init__(self, message: str = "", /, retry_after_s: float = 0.0, **values: object) -> None:
        super().__init__(message, **values)
        self.retry_after_s = retry_after_s


class DeliveryRefusedError(DeliveryError):
    """The destination will never take this object; a person must look at it."""


class ClassRefusedError(DeliveryRefusedError):
    """The destination takes no objects of this SOP class; it may take the same content in a lower one."""


class CommitmentUnsupportedError(DeliveryError):
    """The destination does not support storage commitment; deliveries to it stay SENT."""


class CutOffError(DeliveryError):
    """An archive has more matches of a search than the ``matches`` that it gave."""

    def __init__(self, message: str, matches: list[dict[str, str]], /, **values: Any) -> None:
        super().__init__(message, **values)
        self.matches = matches


class QueryError(MiqaError):
    """A search asks for a value that its attribute cannot have; the message says which form it has."""


class InputError(MiqaError):
    """A person or a program names something that cannot be meant, such as an image of another study."""


class AccessError(MiqaError):
    """An account, password, link or token is not usable; the message says only what the reader may know."""


class UnansweredError(AccessError):
    """The site's sign-on does not answer, so an account cannot be checked."""


class BackupError(MiqaError):
    """A backup is incomplete, was changed since it was made, or would overwrite a node."""


class SignatureError(MiqaError):
    """A signed document was changed, or signed with another key."""


class NotFoundError(MiqaError):
    """No such instance, worklist item or delivery."""


class RemovedError(NotFoundError):
    """A file that retention or an erasure removed; the message gives the day and what to do."""


class ConflictError(MiqaError):
    """The item is in a state that does not allow the requested transition."""


_PACKAGE = Path(__file__).parent
_OF_CONTENT = frozenset({errno.EINVAL, errno.EOVERFLOW, errno.ERANGE, errno.EDOM, errno.EILSEQ, errno.ENAMETOOLONG})
"""Errors of the system that the bytes of an object can cause, such as a place before the beginning of its file."""


def lacks_resources(error: BaseException) -> bool:
    """Whether the node's disks, database, object store or rights are to blame: the same object will succeed later.

    Every error of the system counts, but for those that the bytes of an object can cause. Libraries raise OSError for
    damaged files, too, without a number.

    >>> lacks_resources(ResourcesError()), lacks_resources(OSError(errno.EPERM, "")), lacks_resources(ValueError())
    (True, True, False)
    >>> lacks_resources(OSError("broken data stream")), lacks_resources(OSError(errno.EINVAL, ""))
    (False, False)
    """
    if isinstance(error, OSError):
        return error.errno is not None and error.errno not in _OF_CONTENT
    return isinstance(error, ResourcesError)


def place_of(error: BaseException) -> str:
    """Where an error was raised, as ``file:line``, for logs, because the message may quote a data set.

    If it was raised in a library, the place where the node called it comes first: ``frame.py:78 > valuerep.py:1367``.
    For an error from another process it is the place there, stored as ``place``.
    """
    if place := getattr(error, "place", ""):
        return str(place)
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    own = [frame for frame in frames if _PACKAGE in frame[0].parents]
    return " > ".join(f"{path.name}:{line}" for path, line in dict.fromkeys([*own[-1:], *frames[-1:]]))
