"""The parts that reports and key objects share: coded concepts, observer, evidence."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.codes import Code
from miqa_node.stages.report.content_items import ContentItem, Relationship, code_item, uid_item
from miqa_node.stages.report.dataset import data_set
from miqa_node.stages.report.instance import reference
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.text import typed_text
from miqa_node.stages.report.uids import derive_uid

_OBSERVER_TYPE = Code("121005", "DCM", "Observer Type")
_DEVICE, _PERSON = Code("121007", "DCM", "Device"), Code("121006", "DCM", "Person")
_DEVICE_UID = Code("121012", "DCM", "Device Observer UID")
_PERSON_NAME = Code("121008", "DCM", "Person Observer Name")


def device_observer(settings: ReportSettings) -> list[ContentItem]:
    """The node as the observer (PS3.16 TID 1002 and 1004); the equipment says its name, model and version."""
    return [
        code_item(_OBSERVER_TYPE, _DEVICE, Relationship.HAS_OBS_CONTEXT),
        uid_item(_DEVICE_UID, derive_uid("device", settings.node_name), Relationship.HAS_OBS_CONTEXT),
    ]


def person_observer(actor: str) -> list[ContentItem]:
    """A person as the observer (PS3.16 TID 1002 and 1003)."""
    return [
        code_item(_OBSERVER_TYPE, _PERSON, Relationship.HAS_OBS_CONTEXT),
        ContentItem("PNAME", _PERSON_NAME, Relationship.HAS_OBS_CONTEXT, text=person_name(actor)),
    ]


def content_template(identifier: str) -> Sequence:
    """The template that a document follows (PS3.3 C.18.8)."""
    return Sequence([data_set(MappingResource="DCMR", TemplateIdentifier=identifier)])


def person_name(actor: str) -> str:
    """The person's name as a family name (PS3.5 6.2, PN): accounts do not have its components."""
    name = (typed_text(actor, 64) or "unknown").replace("^", " ").replace("=", " ")
    return f"{name}^"


def evidence(source: Source, *others: tuple[str, str, str]) -> Sequence:
    """Current Requested Procedure Evidence: the source, and (series, SOP class, SOP instance) of others."""
    series: dict[str, list[Dataset]] = {}
    for series_uid, class_uid, instance_uid in (
        (source.series_instance_uid, source.sop_class_uid, source.sop_instance_uid),
        *others,
    ):
        series.setdefault(series_uid, []).append(reference(class_uid, instance_uid))
    items = [
        data_set(SeriesInstanceUID=series_uid, ReferencedSOPSequence=Sequence(references))
        for series_uid, references in series.items()
    ]
    return Sequence([data_set(StudyInstanceUID=source.study_instance_uid, ReferencedSeriesSequence=Sequence(items))])
