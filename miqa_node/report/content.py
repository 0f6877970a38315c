"""The parts that reports and key objects share: coded concepts, observer, evidence."""

from __future__ import annotations

from highdicom.sr import (
    CodedConcept,
    DeviceObserverIdentifyingAttributes,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
)
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.domain.codes import Code
from miqa_node.domain.implementation import MANUFACTURER
from miqa_node.report.instance import reference
from miqa_node.report.made import ReportSettings
from miqa_node.report.source import Source
from miqa_node.report.text import typed_text
from miqa_node.report.uids import derive_uid


def coded(code: Code) -> CodedConcept:
    """The code as highdicom's content items take it."""
    return CodedConcept(code.value, code.scheme, code.meaning)


def device_observer(settings: ReportSettings) -> ObserverContext:
    """The node as the observer (PS3.16 TID 1002 and 1004)."""
    name = typed_text(settings.node_name, 64) or MANUFACTURER
    attributes = DeviceObserverIdentifyingAttributes(
        uid=derive_uid("device", settings.node_name),
        name=name,
        manufacturer_name=MANUFACTURER,
        model_name=MANUFACTURER,
        serial_number=name,
    )
    device = CodedConcept("121007", "DCM", "Device")
    return ObserverContext(observer_type=device, observer_identifying_attributes=attributes)


def person_observer(actor: str) -> ObserverContext:
    """A person as the observer (PS3.16 TID 1002 and 1003)."""
    name = (typed_text(actor, 64) or "unknown").replace("^", " ").replace("=", " ")
    return ObserverContext(
        observer_type=CodedConcept("121006", "DCM", "Person"),
        observer_identifying_attributes=PersonObserverIdentifyingAttributes(name=f"{name}^"),
    )


def evidence(source: Source, *others: tuple[str, str, str]) -> Sequence:
    """Current Requested Procedure Evidence: the source, and (series, SOP class, SOP instance) of others."""
    series: dict[str, list[Dataset]] = {}
    for series_uid, class_uid, instance_uid in (
        (source.series_instance_uid, source.sop_class_uid, source.sop_instance_uid),
        *others,
    ):
        series.setdefault(series_uid, []).append(reference(class_uid, instance_uid))
    study = Dataset()
    study.StudyInstanceUID = source.study_instance_uid
    study.ReferencedSeriesSequence = Sequence()
    for series_uid, references in series.items():
        item = Dataset()
        item.SeriesInstanceUID = series_uid
        item.ReferencedSOPSequence = Sequence(references)
        study.ReferencedSeriesSequence.append(item)
    return Sequence([study])
