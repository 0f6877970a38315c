"""Writes the DICOM conformance statement (PS3.2, annex A) from the code of its DICOM services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqa_node import __version__
from miqa_node.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.imaging.decoders import SYNTAXES
from miqa_node.imaging.search_keys import SEARCH_KEYS
from miqa_node.receive import statuses
from miqa_node.receive.contexts import PLAIN_SYNTAXES, is_storage
from miqa_node.report import lower
from miqa_node.report.outputs.base import OUTPUTS
from miqa_node.settings import load_settings

COMMITMENT = "1.2.840.10008.1.20.1"
VERIFICATION = "1.2.840.10008.1.1"
TEMPLATE = Path(__file__).with_name("conformance.md")
"""The page with names in braces where the program fills in."""


@dataclass(frozen=True, slots=True)
class SentObject:
    """A kind of object that the node sends."""

    kind: str
    sop_class_uid: str
    """Empty where it is the class of the image."""
    transfer_syntax_uids: tuple[str, ...]


def conformance_page() -> str:
    """docs/reference/conformance.md."""
    settings = load_settings()
    known = storage_classes()
    return TEMPLATE.read_text("utf-8").format(
        version=__version__,
        class_uid=IMPLEMENTATION_CLASS_UID,
        version_name=IMPLEMENTATION_VERSION_NAME,
        storage_count=len(known),
        maximum_pdu_size=settings.dicom.maximum_pdu_size,
        max_associations=settings.dicom.max_associations,
        max_per_peer=settings.dicom.max_associations_per_peer,
        lanes=settings.deliver.lane_concurrency,
        verification=VERIFICATION,
        commitment=COMMITMENT,
        plain=", ".join(map(_name, PLAIN_SYNTAXES)),
        decoded=_rows((_name(uid), f"`{uid}`") for uid in decoded_syntaxes()),
        statuses=_rows(_statuses()),
        sent=_rows(_sent_row(one) for one in sent_objects()),
        matching=_rows((key.keyword, key.level.name.lower(), key.vr) for key in SEARCH_KEYS.values()),
        storage=_rows((_name(uid), f"`{uid}`") for uid in known),
    )


def storage_classes() -> list[str]:
    """UIDs of the storage SOP classes that have a name, in the order of their names."""
    uids = (uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and is_storage(uid))
    return sorted(uids, key=lambda uid: UID(uid).name)


def decoded_syntaxes() -> list[str]:
    """UIDs of the transfer syntaxes whose pixels can be decoded."""
    return list(SYNTAXES)


def sent_objects() -> list[SentObject]:
    """Every kind of object that a destination may receive."""
    plain = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
    rows = []
    for output in sorted(OUTPUTS.all().values(), key=lambda one: (one.series_number, one.order)):
        syntax, sop_class_uid = output.transfer_syntax_uid, output.sop_class_uid
        syntaxes = plain if syntax == ExplicitVRLittleEndian else (str(syntax), *plain)
        rows.append(SentObject(output.kind, sop_class_uid, syntaxes))
        while sop_class_uid := lower.NEXT_LOWER.get(sop_class_uid, ""):
            rows.append(SentObject(output.kind, sop_class_uid, syntaxes))
    return rows


def _statuses() -> Iterator[tuple[str, str]]:
    yield f"0x{statuses.SUCCESS:04X}", "kept: on disk and in the database"
    yield (
        f"0x{statuses.OUT_OF_RESOURCES:04X}",
        "out of resources: no room, no database, or a larger object than allowed",
    )
    yield f"0x{statuses.DOES_NOT_MATCH:04X}", "SOP class or instance of request and data set differ"
    yield f"0x{statuses.CANNOT_UNDERSTAND:04X}", "no data set, or one that cannot be read"


def _sent_row(sent: SentObject) -> tuple[str, str, str, str]:
    syntaxes = ", ".join(map(_name, sent.transfer_syntax_uids))
    if not sent.sop_class_uid:
        return sent.kind, "the class of the image that was received", "as received", syntaxes
    return sent.kind, _name(sent.sop_class_uid), f"`{sent.sop_class_uid}`", syntaxes


def _rows(cells: Iterable[tuple[Any, ...]]) -> str:
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in cells)


def _name(uid: str) -> str:
    return UID(uid).name or "retired, without a name"
