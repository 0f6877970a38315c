"""Writes the DICOM conformance statement (PS3.2, annex N) from the code of its DICOM services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from miqa_node import __version__
from miqa_node.core.domain.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from miqa_node.core.domain.search_keys import SEARCH_KEYS
from miqa_node.core.settings import Settings, load_settings
from miqa_node.dicom.pixels.decoders import SYNTAXES
from miqa_node.errors import ClassRefusedError, DeliveryError, DeliveryRefusedError
from miqa_node.interfaces.dicomweb.capabilities import WebResource, web_resources
from miqa_node.stages.deliver.association import DEFAULT_SYNTAXES
from miqa_node.stages.deliver.commitment import PUSH_MODEL, VERIFICATION
from miqa_node.stages.deliver.kinds.base import OnWarning
from miqa_node.stages.deliver.kinds.cstore import NO_COMMITMENT
from miqa_node.stages.deliver.retrieval import FIND, GET
from miqa_node.stages.deliver.statuses import is_warning, judge
from miqa_node.stages.receive import commitment, statuses
from miqa_node.stages.receive.contexts import PLAIN_SYNTAXES, is_storage
from miqa_node.stages.report import lower
from miqa_node.stages.report.outputs import kos
from miqa_node.stages.report.outputs.base import OUTPUTS
from miqa_node.stages.report.seg import LABEL_MAP_CLASS_UID
from tools.attribute_tables import attribute_table, content_table
from tools.example_objects import example_objects

Examples = Mapping[str, Sequence[tuple[Dataset, Dataset]]]
"""Objects with their sources, by kind."""
NEWER_NAMES = {LABEL_MAP_CLASS_UID: "Label Map Segmentation Storage"}
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
    classes, examples = storage_classes(), example_objects()
    return TEMPLATE.read_text("utf-8").format(
        version=__version__,
        class_uid=IMPLEMENTATION_CLASS_UID,
        version_name=IMPLEMENTATION_VERSION_NAME,
        storage_count=len(classes),
        maximum_pdu_size=settings.dicom.maximum_pdu_size,
        max_associations=settings.dicom.max_associations,
        max_per_peer=settings.dicom.max_associations_per_peer,
        verification=VERIFICATION,
        commitment=PUSH_MODEL,
        plain=", ".join(map(uid_name, PLAIN_SYNTAXES)),
        decoded=_rows((uid_name(uid), f"`{uid}`") for uid in decoded_syntaxes()),
        statuses=_rows(_statuses()),
        behaviour=_rows(_behaviour()),
        resources=_rows(_resource_row(one) for one in web_resources()),
        web_statuses=_rows(_web_statuses()),
        parameters=_rows(_parameters(settings)),
        objects=objects_annex(examples),
        contents=contents_annex(examples),
        content=_rows(_content()),
        templates=_rows(_templates(examples)),
        proposed=", ".join(map(uid_name, DEFAULT_SYNTAXES)),
        find=FIND,
        get=GET,
        ports=_rows(_ports(settings)),
        sent=_rows(_sent_row(one) for one in sent_objects()),
        matching=_rows((key.keyword, key.level.name.lower(), key.vr) for key in SEARCH_KEYS.values()),
        storage=_rows((uid_name(uid), f"`{uid}`") for uid in classes),
    )


def storage_classes() -> list[str]:
    """UIDs of the storage SOP classes that have a name, in the order of their names."""
    pydicom_uids = (uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and is_storage(uid))
    return sorted(dict.fromkeys([*pydicom_uids, *NEWER_NAMES]), key=uid_name)


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


def objects_annex(examples: Examples) -> str:
    """The attribute tables of every kind of object."""
    lines: list[str] = []
    for kind, pairs in examples.items():
        lines += [_heading(kind, pairs), "", "| attribute | tag | VR | value | presence | source |"]
        lines += ["|---|---|---|---|---|---|", _rows(attribute_table(pairs)), ""]
    return "\n".join(lines).rstrip()


def contents_annex(examples: Examples) -> str:
    """The content items of every kind of document."""
    lines: list[str] = []
    for kind, pairs in examples.items():
        if items := content_table(pairs):
            lines += [_heading(kind, pairs), "", "| relationship | type | concept | code |", "|---|---|---|---|"]
            lines += [_rows(items), ""]
    return "\n".join(lines).rstrip()


def _heading(kind: str, pairs: Sequence[tuple[Dataset, Dataset]]) -> str:
    return f"##### {kind}: {uid_name(pairs[0][0].SOPClassUID)}"


def _content() -> Iterator[tuple[str, str, str, str, str, str]]:
    """The use of each SOP class that the node makes."""
    for uid in dict.fromkeys(one.sop_class_uid for one in sent_objects() if one.sop_class_uid):
        read = "Y: rejection notes" if uid == kos.OUTPUT.sop_class_uid else "N"
        yield uid_name(uid), f"`{uid}`", "Y", read, "Y", "Y"
    yield "the class of the image, for enhanced images", "", "Y", "Y", "Y", "Y"


def _templates(examples: Examples) -> Iterator[tuple[str, str, str, str]]:
    for kind, pairs in examples.items():
        if named := pairs[0][0].get("ContentTemplateSequence"):
            read = "Y" if pairs[0][0].SOPClassUID == kos.OUTPUT.sop_class_uid else "N"
            yield f"TID {named[0].TemplateIdentifier} ({named[0].MappingResource})", f"`{kind}`", "Y", read


def _ports(settings: Settings) -> Iterator[tuple[str, object, str]]:
    yield "DICOM upper layer", settings.dicom.port, "`dicom.port`"
    yield "DICOM upper layer over TLS", settings.dicom.tls_port, "`dicom.tls_port`"
    yield "DICOMweb, REST and pages, HTTP or HTTPS", settings.web.port, "`web.port`"


def _statuses() -> Iterator[tuple[str, str, str]]:
    yield "C-ECHO", f"0x{statuses.SUCCESS:04X}", "always, on an accepted association"
    stores = {
        statuses.SUCCESS: "kept: on disk and in the database",
        statuses.OUT_OF_RESOURCES: "out of resources: no room, no database, or a larger object than allowed",
        statuses.DOES_NOT_MATCH: "SOP class or instance of request and data set differ",
        statuses.CANNOT_UNDERSTAND: "no data set, or one that cannot be read, or UIDs that are none",
    }
    for status, meaning in stores.items():
        yield "C-STORE", f"0x{status:04X}", meaning
    actions = {
        commitment.SUCCESS: "the report follows",
        commitment.PROCESSING_FAILURE: "processing failure",
        commitment.NO_SUCH_INSTANCE: "not the well-known instance",
        commitment.INVALID_ARGUMENT: "invalid argument: no UIDs, or too many",
        commitment.NO_SUCH_ACTION: "no such action",
        commitment.RESOURCE_LIMITATION: "resource limitation",
    }
    for status, meaning in actions.items():
        yield "N-ACTION (storage commitment)", f"0x{status:04X}", meaning
    yield "N-EVENT-REPORT (storage commitment)", "event type 1", "everything is kept"
    yield (
        "N-EVENT-REPORT (storage commitment)",
        "event type 2",
        (
            "Failure Reason 0x0112 (no such object instance), 0x0119 (class-instance conflict) or 0x0110 (its stored "
            "bytes are damaged, or cannot be read for ten minutes) for what is not kept"
        ),
    )


def _behaviour() -> Iterator[tuple[str, str, str]]:
    """What follows from each status, by the function that decides it."""
    for status in (0x0000, 0x0111, 0xB000, 0xB006, 0xB007, 0x0001, 0x0107, 0x0116, 0x0122, 0xA700, 0xA900, 0xC000,
                   0x0110, 0x0112, 0x0115, 0x0117, 0x0119, 0x0124, 0x0210, 0x0211, 0x0212, 0x0213):  # fmt: skip
        yield "C-STORE", f"0x{status:04X}", _consequence(status)
    yield "C-STORE", "no answer in `deliver.dimse_timeout_s`, abort", "tried again on a new association"
    yield "association", "rejected, or no connection", "tried again"
    yield "presentation context", "no class, or none of the transfer syntaxes", "as 0x0122; the reason names both"
    yield "N-ACTION (storage commitment)", "0x0000", "the report is waited for, then asked again"
    unsupported = ", ".join(f"0x{status:04X}" for status in sorted(NO_COMMITMENT))
    yield "N-ACTION (storage commitment)", unsupported, "the peer does no storage commitment: nobody asks again"
    yield "N-ACTION (storage commitment)", "any other", "asked again"
    yield "STOW-RS", "200 without a list of failures; the instance among the referenced ones", "done"
    yield "STOW-RS", "415, Failure Reason 0xC122", "sent uncompressed; refused for good if it was"
    yield "STOW-RS", "413, a Failure Reason that is final above", "refused for good: FAILED at once"
    yield "STOW-RS", "any other, none in time", "tried again"


def _consequence(status: int) -> str:
    try:
        return "done" if judge(status, OnWarning.ACCEPT) else "done, with a log line" + _on_warning(status)
    except ClassRefusedError:
        return "a report is sent in a lower SOP class; another object is FAILED at once"
    except DeliveryRefusedError:
        return "refused for good: FAILED at once"
    except DeliveryError:
        return "tried again"


def _on_warning(status: int) -> str:
    return '; tried again with `on_warning = "retry"`' if is_warning(status) else ""


def _resource_row(one: WebResource) -> tuple[str, str, str, str, str]:
    kinds = ", ".join(f"`{media_type}`" for media_type in one.media_types)
    return one.method, f"`/{one.path}`", one.summary, kinds, ", ".join(map(str, one.statuses))


def _web_statuses() -> Iterator[tuple[int, str]]:
    meanings = {
        200: "answered; STOW-RS: all instances are kept",
        202: "STOW-RS: some instances are kept, the answer says which",
        204: "no match",
        304: "the client has it already (If-None-Match)",
        400: "a parameter that is no attribute, a malformed value, one key with two values, a damaged body",
        401: "no token, or a wrong one",
        403: "the token's permissions do not suffice",
        404: "no such object, frame or value; STOW-RS: this process receives nothing",
        406: "Accept allows nothing that there is; the answer says what there is",
        409: "STOW-RS: no instance is kept; the answer has a Failure Reason for each",
        413: "more than `web.max_upload_bytes`",
        415: "not multipart/related of application/dicom",
        422: "a UID in the address that is none",
        503: "no room, no database, or older headers are still being read; with Retry-After",
    }
    yield from meanings.items()


def _parameters(settings: Settings) -> Iterator[tuple[str, str, object]]:
    for table, keys in {
        "dicom": "ae_title port acse_timeout_s dimse_timeout_s network_timeout_s max_object_bytes user_identity tls",
        "deliver": "connection_timeout_s dimse_timeout_s commitment_timeout_s give_up_after_days",
        "web": "max_upload_bytes",
    }.items():
        for key in keys.split():
            yield key.replace("_", " ").removesuffix(" s"), f"`{table}.{key}`", getattr(getattr(settings, table), key)


def _sent_row(sent: SentObject) -> tuple[str, str, str, str]:
    syntaxes = ", ".join(map(uid_name, sent.transfer_syntax_uids))
    if not sent.sop_class_uid:
        return sent.kind, "the class of the image that was received", "as received", syntaxes
    return sent.kind, uid_name(sent.sop_class_uid), f"`{sent.sop_class_uid}`", syntaxes


def _rows(cells: Iterable[tuple[Any, ...]]) -> str:
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in cells)


def uid_name(uid: str) -> str:
    """The name of a class or syntax, also where pydicom is older than it."""
    return NEWER_NAMES.get(uid) or UID(uid).name or "retired, without a name"
