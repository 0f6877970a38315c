"""Asks an archive what it has and pulls objects from it, on one association that stays open: C-FIND, C-GET, C-MOVE.

Study Root (PS3.4 C.4). Fetching what the node once had is in ``retrieval.py``; this pulls what it never saw, in the
transfer syntax in which the archive has it. An association has room for some storage classes in all syntaxes: those
that are asked for are proposed, with their like, and where others are asked for a new association is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pynetdicom import build_context, build_role, evt

from miqa_node.core.domain.instance import Header
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import ClassRefusedError, CutOffError, DeliveryError
from miqa_node.stages.deliver.association import Link
from miqa_node.stages.deliver.retrieval import (
    FIND,
    GET,
    NOT_ASKED_FOR,
    Open,
    hanging_up,
    identifier_of,
    last_status,
    matches,
    not_given,
    refusal,
)
from miqa_node.stages.deliver.statuses import SUCCESS

MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
MOST_CONTEXTS = 128
"""Presentation contexts of an association (PS3.8 9.3.2.2)."""
NOT_OFFERED = Phrase("The archive offers none of the object's possible SOP classes by C-GET.")


class PullingAssociation:
    """One association with an archive, opened at its first use and again when it ended. Of one thread."""

    def __init__(self, open_link: Open) -> None:
        self._open_link = open_link
        self._link: Link | None = None
        self._classes: list[str] = []
        """Storage classes that are proposed."""
        self._wanted = ""
        self._files: list[bytes] = []

    def search(self, level: str, keys: Mapping[str, str]) -> list[dict[str, str]]:
        """C-FIND: what matches, by keyword. ClassRefusedError if the peer does no C-FIND."""
        query, rows = _query(level, keys), list[dict[str, str]]()

        def ask(link: Link) -> Iterator[None]:
            for match in matches(link, query):
                rows.append({keyword: _text(match.get(keyword)) for keyword in keys})
                yield

        try:
            self._asking("C-FIND", FIND, ask)
        except CutOffError as error:
            raise CutOffError(str(error), rows) from None
        return rows

    def get(self, header: Header) -> bytes:
        """C-GET: the object as a DICOM file. ClassRefusedError if the peer does no C-GET.

        Without a SOP class in the header all of radiographs are tried: those that are proposed already, then others.
        """
        room = (MOST_CONTEXTS - len(_SERVICES)) // len(_syntaxes())
        classes, error = [header.sop_class_uid], DeliveryError(NOT_OFFERED)
        if not header.sop_class_uid:
            classes = list(dict.fromkeys([*self._classes, *RADIOGRAPHS]))
        while classes:
            if classes[0] not in self._classes:
                self.close()
                self._classes = list(dict.fromkeys([*classes, *self._classes, *RADIOGRAPHS]))[:room]
            if self._offers(set(classes)):
                status = self._get(header)
                files, self._wanted, self._files = self._files, "", []
                if files:  # 0xB000 tells of what the peer thinks of it (PS3.4 C.4.3.1.4), and it is here
                    return files[0]
                error = not_given(status)
            classes = [one for one in classes if one not in self._classes]
        raise error

    def _get(self, header: Header) -> int | None:
        self._wanted, self._files = str(header.sop_instance_uid), []
        query = identifier_of(header)
        [status] = self._asking(
            "C-GET", GET, lambda link: [last_status(link.association.send_c_get(query, GET), "C-GET")]
        )
        return int(status) if status is not None else None

    def _offers(self, classes: set[str]) -> bool:
        """Whether one of the classes may come; also if the peer does no C-GET, which the question then shows."""
        accepted = {str(context.abstract_syntax) for context in self._opened().association.accepted_contexts}
        return GET not in accepted or not classes.isdisjoint(accepted)

    def move(self, header: Header, ae_title: str, message_id: int) -> None:
        """C-MOVE: have the peer send the object to an AE title; DeliveryError unless it says that it did."""

        def ask(link: Link) -> list[int | None]:
            answers = link.association.send_c_move(identifier_of(header), ae_title, MOVE, msg_id=message_id)
            return [last_status(answers, "C-MOVE")]

        [status] = self._asking("C-MOVE", MOVE, ask)
        if status != SUCCESS:
            raise DeliveryError(refusal("C-MOVE", status))

    def close(self) -> None:
        """Release the association."""
        link, self._link = self._link, None
        if link is not None:
            link.release()

    def _asking(self, service: str, sop_class: str, ask: Any) -> Any:
        link = self._opened()
        accepted = {context.abstract_syntax for context in link.association.accepted_contexts}
        if sop_class not in accepted:
            raise ClassRefusedError("The archive does no {service} (Study Root).", service=service)
        try:
            with hanging_up(link, service):
                return list(ask(link))
        except CutOffError:
            raise
        except (DeliveryError, RuntimeError, ValueError) as error:  # pynetdicom's, if the association ended meanwhile
            self._drop()
            if isinstance(error, DeliveryError):
                raise
            raise DeliveryError(refusal(service, None)) from error
        finally:
            if self._link is not None and not self._link.is_open:
                self._drop()

    def _opened(self) -> Link:
        if self._link is None or not self._link.is_open:
            self._drop()
            contexts = [build_context(one) for one in _SERVICES]
            contexts += [build_context(one, syntax) for one in sorted(self._classes) for syntax in _syntaxes()]
            roles = [build_role(one, scp_role=True) for one in self._classes]
            self._link = self._open_link(contexts, roles, self._take)
        return self._link

    def _take(self, event: evt.Event) -> int:
        if not self._wanted or str(getattr(event.request, "AffectedSOPInstanceUID", "")) != self._wanted:
            return NOT_ASKED_FOR
        self._files.append(event.encoded_dataset())
        return SUCCESS

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.abort()


_SERVICES = (FIND, GET, MOVE)
RADIOGRAPHS = [
    f"1.2.840.10008.5.1.4.1.1.{one}"
    for one in (
        "1", "1.1", "1.1.1", "7", "1.2", "1.2.1", "1.3", "1.3.1", "12.1", "12.2", "12.1.1", "12.2.1", "13.1.3",
    )
]  # fmt: skip
"""SOP classes that images of a pilot may have, by how common they are (PS3.4 B.5)."""


def _query(level: str, keys: Mapping[str, str]) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def _text(value: Any) -> str:
    return "" if value is None else "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value).strip()


def _syntaxes() -> list[str]:
    from miqa_node.dicom.pixels.decoders import SYNTAXES  # noqa: PLC0415 - codecs, which no delivery needs

    return list(SYNTAXES)
