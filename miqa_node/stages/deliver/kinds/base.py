"""The interface of a kind of destination, of the node or of another distribution (seam ``miqa.destinations``)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from miqa_node.core.domain.delivery import CommitmentReport, ResultKind
from miqa_node.core.domain.event import EventType
from miqa_node.core.domain.instance import Header
from miqa_node.core.domain.output import default_kinds, output_kinds
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.language.phrase import Phrase
from miqa_node.core.settings import DeliverSettings
from miqa_node.dicom.bytes.charsets import is_known
from miqa_node.dicom.bytes.uncompressed import uncompress
from miqa_node.dicom.elements import find_encoding
from miqa_node.errors import (
    CommitmentUnsupportedError,
    DataSetError,
    DecodeError,
    DeliveryError,
    DeliveryRefusedError,
    ResourcesError,
)
from miqa_node.plugins import Seam
from miqa_node.stages.deliver.result import ResultContent

T = TypeVar("T")

MAX_CONCURRENCY = 32
NO_ARCHIVE = Phrase("This kind of destination is no archive that can be asked; name one of kind cstore or stow.")
MAX_OBJECTS_PER_S = 1e6

MAX_PATH = 4096
"""Not a count in the pattern: 4096 characters of any kind would take pydantic's compiled pattern 10 MB of memory."""

File = Annotated[
    str, StringConstraints(pattern=r"^[^\x00]+$", max_length=MAX_PATH), Field(description="the path of a file")
]
"""A path in a configuration model; empty if there is no such file."""


Modality = Annotated[str, StringConstraints(pattern=r"^([A-Z][A-Z0-9]{0,15}|[*])$")]
"""A modality as in headers, or ``*``."""

TransferSyntax = Annotated[str, StringConstraints(pattern=r"^[0-9.]{1,64}$")]
"""The UID of a transfer syntax."""


class OnWarning(StrEnum):
    """The effect of a warning status (PS3.4 B.2.3: stored, but not as it was sent) on the delivery."""

    ACCEPT = "accept"
    """The object has arrived: SENT, with a line in the log."""
    RETRY = "retry"
    """The attempt counts as failed."""


class DestinationConfig(BaseModel):
    """One ``[[destination]]`` table. A kind adds its own keys, and ``kind`` as a Literal with a default.

    A field's ``description`` completes the error "<key> must be …"; the value of a field with ``repr=False`` is a
    secret and appears in no error or log.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    takes_results: ClassVar[bool] = False
    """Whether results may go there: then :meth:`state` is asked about each."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        description="1 to 64 letters, digits, dots, hyphens or underscores"
    )
    kind: str
    concurrency: int = Field(
        default=1, ge=1, le=MAX_CONCURRENCY, description=f"a whole number from 1 to {MAX_CONCURRENCY}"
    )
    """Objects sent at the same time."""
    objects_per_s: float | None = Field(
        default=None, gt=0.0, le=MAX_OBJECTS_PER_S, strict=False, description="a number above 0, such as 2 or 0.5"
    )
    """Maximum number of objects or events per second that one node sends there; None means no limit."""

    @property
    def address(self) -> str:
        """The address for log lines and errors, without anything that may be secret."""
        return self.name

    @property
    def asks_commitment(self) -> bool:
        """Whether storage commitment is requested after delivery."""
        return False

    def takes(self, kind: ResultKind) -> bool:  # noqa: ARG002 - for destinations of objects
        """Whether objects of a kind go there."""
        return False

    def declines(self, modality: str, verdict: Verdict) -> bool:  # noqa: ARG002 - for destinations of objects
        """Whether the destination gets no results of images of a modality with this verdict."""
        return False

    def hears(self, event_type: EventType) -> bool:  # noqa: ARG002 - for destinations of events
        """Whether events of a type go there."""
        return False

    def state(self, result: ResultContent, /) -> str | None:  # noqa: ARG002 - for destinations of results
        """What is sent of a result, in the form that ``send_event`` of the kind wants; None if it does not go there."""
        return None


class ObjectsConfig(DestinationConfig):
    """A destination of DICOM objects."""

    objects: tuple[ResultKind, ...] | None = None
    """The kinds of objects that go there; None means those that the node makes by default."""

    decline_unassessed: tuple[Modality, ...] = Field(
        default=(), description='a list of modalities, such as ["US", "PT"], or ["*"] for all'
    )
    """Modalities whose unassessed images are not reported there; ``*`` means all."""

    flagged_only: bool = Field(default=False, description="true or false")
    """Whether only results of flagged images go there."""

    def declines(self, modality: str, verdict: Verdict) -> bool:
        """Whether ``flagged_only`` is set and it is not flagged, or ``decline_unassessed`` has the modality."""
        is_declined = verdict is Verdict.NOT_ASSESSED and bool({"*", modality} & set(self.decline_unassessed))
        return is_declined or (self.flagged_only and not verdict.flagged)

    transfer_syntaxes: tuple[TransferSyntax, ...] | None = Field(
        default=None, min_length=1, description='a list of UIDs, such as ["1.2.840.10008.1.2.1"]'
    )
    """Allowed transfer syntaxes; None allows those of the node. Implicit VR Little Endian is always allowed."""

    character_set: str | None = Field(default=None, description="a value of Specific Character Set")
    """Character set to recode text to if it has all characters, values separated by backslashes; None: unchanged."""

    @field_validator("character_set")
    @classmethod
    def _written(cls, value: str | None) -> str | None:
        sets = (value or "").split("\\")
        if value is not None and (not is_known(sets) or sets[0] in _NOT_ALONE):
            raise ValueError('must be a value of Specific Character Set, such as "ISO_IR 192" or "ISO_IR 100".')
        return value

    @field_validator("decline_unassessed", "transfer_syntaxes", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    def takes(self, kind: ResultKind) -> bool:
        """Whether ``objects`` has the kind."""
        return kind in (default_kinds() if self.objects is None else self.objects)

    @field_validator("objects", mode="before")
    @classmethod
    def _known(cls, value: object) -> tuple[ResultKind, ...]:
        return choose(value, {kind: kind for kind in output_kinds()})


_NOT_ALONE = frozenset({"ISO_IR 6", "ISO_IR 13", "ISO 2022 IR 13"})
"""The default set, which is declared by omitting the element, and the set without backslash and tilde."""


class TlsConfig(DestinationConfig):
    """A destination reached over TLS, with its own certificates if the site has them."""

    tls_ca: File = ""
    """Certificate authorities for the peer's certificate; the system's if empty."""
    tls_certificate: File = ""
    tls_key: File = ""

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.tls_key and not self.tls_certificate:
            raise ValueError("tls_key belongs to a tls_certificate; give both.")
        if (self.tls_ca or self.tls_certificate) and not self.uses_tls:
            raise ValueError("certificates are given but TLS is off; set tls = true, or an https address.")
        return self


class HttpConfig(TlsConfig):
    """A destination with an http or https address in ``url``."""

    url: str

    @property
    def uses_tls(self) -> bool:
        """Whether the address begins with https."""
        return self.url.startswith("https:")


def choose(names: object, choices: Mapping[str, T]) -> tuple[T, ...]:
    """The values for a list of names, without duplicates; ValueError lists the known names."""
    if isinstance(names, list | tuple) and all(isinstance(one, str) and one in choices for one in names):
        return tuple(dict.fromkeys(choices[one] for one in names))
    listed = ", ".join(f'"{name}"' for name in choices)
    raise ValueError(f"must be a list out of [{listed}].")


@dataclass(frozen=True, slots=True)
class DeliveryContext:
    """Settings and identity of the node, for every destination.

    ``on_report`` receives the reports of storage commitment that arrive on the association of the request; it is
    called from another thread.
    """

    settings: DeliverSettings
    calling_ae_title: str = "MIQA"
    on_report: Callable[[CommitmentReport], None] | None = None
    uncompress: Callable[[bytes], bytes] = uncompress
    """Uncompresses a file; a node uses its decoding processes for this, so a codec's crash does no harm."""


class Destination(ABC):
    """A connection to one destination. One object serves one thread.

    Errors: DeliveryError if a retry may succeed, DeliveryRefusedError if it never will, ClassRefusedError for a SOP
    class that is not accepted.
    """

    access_hint: str = Phrase("Check that it runs, its address, and that it lets this node in.")
    """Advice if :meth:`probe` fails."""
    leaves_trace: ClassVar[bool] = False
    """Whether :meth:`probe` reaches the receiver as an event; it is then only sent on request."""
    no_commitment: ClassVar[str] = Phrase("This kind of destination does no storage commitment.")

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def send_one(self, sop_class_uid: str, sop_instance_uid: str, data: bytes) -> str | None:
        """Send one DICOM file. Sending the same object again must not create a duplicate there.

        It may return a note for people about the way in which it arrived.
        """

    def send_event(self, event_id: str, body: bytes) -> None:  # noqa: ARG002
        """Send one event, as JSON. A repeated event has the same identifier and body."""
        raise DeliveryRefusedError("This kind of destination takes no events.")

    @abstractmethod
    def probe(self) -> str:
        """Check that the destination responds and accepts the node; the result in words, such as "answers C-ECHO"."""

    def request_commitment(self, transaction_uid: str, objects: Sequence[tuple[str, str]], /) -> None:  # noqa: ARG002
        """Request storage commitment for (SOP class UID, SOP instance UID); the answer arrives later, as a report.

        CommitmentUnsupportedError: the destination does not support it. Other DeliveryErrors: the request failed.
        """
        raise CommitmentUnsupportedError(self.no_commitment)

    def holds(self, headers: Sequence[Header], /) -> frozenset[str]:  # noqa: ARG002
        """SOP instance UIDs of the objects that the destination holds; DeliveryRefusedError if it has no query."""
        raise DeliveryRefusedError(NO_ARCHIVE)

    def fetch(self, header: Header, /) -> bytes:  # noqa: ARG002
        """An object as a DICOM file, as stored at the destination; DeliveryError with the reason if that fails."""
        raise DeliveryRefusedError(NO_ARCHIVE)

    def search(self, level: str, keys: Mapping[str, str], /) -> list[dict[str, str]]:  # noqa: ARG002
        """What an archive has at a level (STUDY, SERIES or IMAGE), by keyword (PS3.4 C.6.2.1, PS3.18 10.6).

        Keys without a value are asked for; one that the archive does not know is empty.
        """
        raise DeliveryRefusedError(NO_ARCHIVE)

    def pull(self, header: Header, /) -> bytes:  # noqa: ARG002
        """An object that the node never saw, as a DICOM file in any transfer syntax; DeliveryError if that fails."""
        raise DeliveryRefusedError(NO_ARCHIVE)

    def have_sent(self, header: Header, ae_title: str, message_id: int, /) -> None:  # noqa: ARG002
        """Have an archive send an object to an AE title by a C-MOVE with that Message ID."""
        raise DeliveryRefusedError("This kind of destination does no C-MOVE.")

    def close(self) -> None:  # noqa: B027 - most have nothing open
        """Release connections."""


def no_address(_text: str) -> Mapping[str, Any] | None:
    """``read_address`` of a kind that cannot be given on the command line."""
    return None


@dataclass(frozen=True, slots=True)
class DestinationKind:
    """One kind of destination: its table, and the function that connects to it.

    ``read_address`` returns the keys for an address from the command line, or None if the address is not of this kind;
    ``address_syntax`` shows its syntax, empty if there is none.
    """

    config: type[DestinationConfig]
    connect: Callable[[Any, DeliveryContext], Destination]
    read_address: Callable[[str], Mapping[str, Any] | None] = no_address
    address_syntax: str = ""


DESTINATIONS = Seam("destinations", DestinationKind)


def connect(config: DestinationConfig, context: DeliveryContext) -> Destination:
    """A connection to the destination of a table; it is opened at its first use."""
    return DESTINATIONS.get(config.kind).connect(config, context)


def probe(config: DestinationConfig, context: DeliveryContext) -> str:
    """Probe a destination on a separate connection; the result in words, or a DeliveryError."""
    destination = connect(config, context)
    try:
        return destination.probe()
    finally:
        destination.close()


def read_file(file: str) -> str:
    """The text of a file that a table names, such as a token; read at each use, so a new token needs no restart."""
    return Path(file).read_text("utf-8").strip()


def without_compression(file: bytes, context: DeliveryContext) -> bytes:
    """The same object uncompressed; DeliveryRefusedError if its pixels cannot be decoded."""
    try:
        return context.uncompress(file)
    except DecodeError as error:
        raise DeliveryRefusedError(str(error)) from error
    except ResourcesError as error:
        raise DeliveryError(str(error)) from error


def split_file(file: bytes) -> tuple[str, bytes]:
    """(transfer syntax UID, data set) of a DICOM file in memory; DeliveryRefusedError if it is not one."""

    def read(offset: int, count: int) -> bytes:
        return file[offset : offset + count]

    try:
        encoding = find_encoding(read)
    except DataSetError as error:
        raise DeliveryRefusedError("The object is not a DICOM file: {error}", error=error) from error
    data_set = file[encoding.offset :]
    if not data_set:
        raise DeliveryRefusedError("The object has no data set.")
    return encoding.transfer_syntax_uid, data_set
