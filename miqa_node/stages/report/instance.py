"""Creates the base of every result object: series, equipment and identity; also references."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.implementation import MANUFACTURER
from miqa_node.core.domain.output import OutputKind
from miqa_node.core.taxonomy.base import SCHEME
from miqa_node.core.words.algorithms import Algorithm, algorithms_of
from miqa_node.stages.report.dataset import data_set
from miqa_node.stages.report.equipment import contributing_equipment
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.source import Source, text
from miqa_node.stages.report.text import phrase, typed_text
from miqa_node.stages.report.uids import Lineage, derive_uid

_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>0\d|1[0-4])(?P<minutes>[0-5]\d)", re.ASCII)
"""Timezone Offset From UTC, from -1200 to +1400 (PS3.3 C.12.1); values beyond are ignored."""


def begin_instance(
    output: OutputKind,
    source: Source,
    assessment: Assessment,
    lineage: Lineage,
    settings: ReportSettings,
) -> Dataset:
    """General Series, Enhanced General Equipment and SOP Common (PS3.3 C.7.3.1, C.7.5.2, C.12.1), and date.

    SOP Common names the algorithms.
    Patient and study are added when the object is written.
    """
    made_at = local_time(assessment.assessed_at, source, settings.zone)
    date, time = made_at.strftime("%Y%m%d"), made_at.strftime("%H%M%S.%f")
    return data_set(
        SOPClassUID=output.sop_class_uid,
        SOPInstanceUID=lineage.uid(output.kind, "instance"),
        SeriesInstanceUID=lineage.uid(output.kind, "series"),
        StudyInstanceUID=source.study_instance_uid,
        Modality=output.modality,
        SeriesNumber=output.series_number,
        SeriesDescription=output.description,
        InstanceNumber=1,
        InstanceCreationDate=date,
        InstanceCreationTime=time,
        ContentDate=date,
        ContentTime=time,
        Manufacturer=MANUFACTURER,
        ManufacturerModelName=MANUFACTURER,
        DeviceSerialNumber=typed_text(settings.node_name, 64) or MANUFACTURER,
        SoftwareVersions=software_versions(*algorithms_of(assessment)),
        ContributingEquipmentSequence=contributing_equipment(*algorithms_of(assessment)),
        CodingSchemeIdentificationSequence=Sequence([private_scheme()]),
    )


def local_time(moment: datetime, source: Source, zone: tzinfo | None) -> datetime:
    """The moment in the local time of the study.

    Dates and times of a data set share one offset (PS3.3 C.12.1.1.8): the source's if it declares one, otherwise
    the site's.
    """
    offset = _OFFSET.fullmatch(text(source.header, "TimezoneOffsetFromUTC"))
    if offset:
        minutes = int(offset["hours"]) * 60 + int(offset["minutes"])
        return moment.astimezone(timezone(timedelta(minutes=-minutes if offset["sign"] == "-" else minutes)))
    return moment.astimezone(zone)


def laterality(source: Source) -> str | None:
    """The side of a paired body part, for General Series (PS3.3 C.7.3.1, type 2C); None if not stated."""
    value = text(source.header, "Laterality") or text(source.header, "ImageLaterality")
    return value if value in ("R", "L") else None


def reference(sop_class_uid: str, sop_instance_uid: str, frames: list[int] | None = None) -> Dataset:
    """One item of a referenced SOP sequence (PS3.3 10.8, and 10.3 for frames)."""
    item = data_set(ReferencedSOPClassUID=sop_class_uid, ReferencedSOPInstanceUID=sop_instance_uid)
    if frames:
        item.ReferencedFrameNumber = frames
    return item


def software_versions(*algorithms: Algorithm) -> list[str]:
    """Software Versions (0018,1020): the node's, and those of all packages that judged."""
    return list(dict.fromkeys(phrase(f"{one.name} {one.version}", 64) for one in algorithms))


def private_scheme() -> Dataset:
    """The identification of the coding scheme 99MIQA (PS3.3 C.12.1), for objects that use its codes."""
    return data_set(
        CodingSchemeDesignator=SCHEME,
        CodingSchemeUID=derive_uid("miqa-node", "coding scheme", SCHEME),
        CodingSchemeName="miqa-node image quality concepts",
        CodingSchemeResponsibleOrganization="miqa-node",
    )
