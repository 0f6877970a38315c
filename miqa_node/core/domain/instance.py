"""An instance as received: its identity, its origin and its header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from miqa_node.core.domain.patient import PatientKey
from miqa_node.core.domain.retention import Removal

SopInstanceUid = NewType("SopInstanceUid", str)
SeriesInstanceUid = NewType("SeriesInstanceUid", str)
StudyInstanceUid = NewType("StudyInstanceUid", str)
InstanceDigest = NewType("InstanceDigest", str)
"""SHA-256 (hex) of the data set's bytes as received: the identity of a stored instance."""

ANY_UID = r"[0-9A-Za-z.][0-9A-Za-z._-]{0,63}"
"""A UID; letters, hyphens and underscores are allowed, because some de-identification tools write them."""

_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)
_ANY_UID = re.compile(ANY_UID, re.ASCII)


NO_YEAR = ("0000", "0001")
"""Years that programs write where they have no date."""


def day(date: str) -> str:
    """A DICOM date (PS3.5 6.2, DA) with dashes; any other text unchanged, and nothing for what stands for no date.

    >>> day("20260131"), day(""), day("00010101")
    ('2026-01-31', '', '')
    """
    if date.startswith(NO_YEAR):
        return ""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdigit() else date


def is_uid(text: str) -> bool:
    r"""Whether ``text`` can be used as a UID and in a path: digits and dots, 1 to 64 of them (PS3.5 9.1).

    >>> is_uid("1.2.840.10008.1.1"), is_uid("../../etc/passwd"), is_uid("1.2\n")
    (True, False, False)
    """
    return _UID.fullmatch(text) is not None


def can_name(text: str) -> bool:
    r"""Whether ``text`` can name an object and be part of a path: a UID, or one accepted by ``dicom.relaxed_uids``.

    >>> can_name("1.2.840.10008.1.1"), can_name("ANON-7f.3_a"), can_name("../x"), can_name("..")
    (True, True, False, False)
    """
    return _ANY_UID.fullmatch(text) is not None and text.strip(".") != ""


class Derivation(StrEnum):
    """How an image was made from others, as far as its header says so."""

    PLAIN = ""
    STITCHED = "stitched"
    ENERGY = "energy"
    """Of exposures with two spectra: soft tissue, bone, or another subtraction."""
    SUPPRESSED = "suppressed"
    """Bones or ribs were suppressed."""
    PAGE = "page"
    """No radiograph: a scanned page, a screen, or what a workstation made."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header values that the pipeline needs; an empty string if an element is absent.

    No field identifies a patient. ``view_position`` is View Position (0018,5101) or, if that is empty, the meaning of
    View Code Sequence; ``exposure_index`` and its kin are (0018,1411)–(0018,1413).
    """

    sop_class_uid: str
    sop_instance_uid: SopInstanceUid
    series_instance_uid: SeriesInstanceUid
    study_instance_uid: StudyInstanceUid
    transfer_syntax_uid: str
    modality: str
    body_part_examined: str = ""
    view_position: str = ""
    image_laterality: str = ""
    patient_orientation: tuple[str, ...] = ()
    photometric_interpretation: str = ""
    presentation_intent_type: str = ""
    image_type: tuple[str, ...] = ()
    rows: int = 0
    columns: int = 0
    number_of_frames: int = 0
    samples_per_pixel: int = 0
    bits_allocated: int = 0
    bits_stored: int = 0
    pixel_spacing_mm: tuple[float, float] | None = None
    station_name: str = ""
    manufacturer: str = ""
    manufacturer_model_name: str = ""
    acquired_at: datetime | None = None
    exposure_index: float | None = None
    target_exposure_index: float | None = None
    deviation_index: float | None = None
    burned_in_annotation: str = ""
    has_pixels: bool = False
    has_voi: bool = False
    detector_id: str = ""
    """Detector ID (0018,700A), or Device Serial Number (0018,1000) if that is empty."""
    performed_location: str = ""
    """Performed Location (0040,0243): the room, if the sender gives it."""
    series_images: int = 0
    """Number of images in the series; 0 if the sender does not give it."""
    quality_control: bool = False
    """A test object: Quality Control Image (0028,0300) or Subject (0010,0200), the region, or a site's name."""
    named_phantom: bool = False
    """Names or descriptions have words such as phantom or QC: a hint for what the pixels show, no proof."""
    utc_offset_s: int | None = None
    """How far the clock of ``acquired_at`` is ahead of UTC, if the header says so."""
    series_number: int | None = None
    frame_of_reference_uid: str = ""
    irradiation_event_uids: tuple[str, ...] = ()
    """The exposures that it shows (0008,3010), if the sender says so."""
    source_instance_uid: str = ""
    """The image from which it was made: the first of Source Image Sequence."""
    derivation: Derivation = Derivation.PLAIN
    is_acquired_at: bool = False
    """Whether ``acquired_at`` is the time of acquisition to the second, not that of the content or of a minute."""
    collimator_edges: tuple[int, ...] = ()
    """First and last column and first and last row, from 1, of a rectangular collimator (0018,1702)-(0018,1708)."""
    age_years: int | None = None
    """The patient's age in whole years, 90 for all above, which would identify; None if unknown."""
    protocol_name: str | None = None
    """Protocol Name (0018,1030); None if an earlier version read the header, which did not look for it."""
    series_description: str = ""
    """Series Description (0008,103E), by which people tell the series of a study apart."""
    convolution_kernel: str = ""
    software_versions: str = ""
    view_modifier: str | None = None
    """What sets the view apart from the plain one, such as "Spot compression"; empty if nothing does, None if an
    earlier version read the header, which did not look for it."""
    missing_uids: tuple[str, ...] = ()
    """Names of missing UIDs, for which the header has surrogates (:mod:`miqa_node.core.domain.identity`)."""


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """Patient and study identification for the worklist, never for logs or metrics.

    ``operators_name`` is the first of Operators' Name (0008,1070): of the image it was read from, not of the study.
    ``authority`` is who assigned the Patient ID: first according to the header, then to the settings, too.
    """

    study_instance_uid: StudyInstanceUid
    accession_number: str
    patient_id: str
    patient_name: str
    study_date: str
    study_description: str
    operators_name: str = ""
    patient_birth_date: str = ""
    authority: str | None = ""

    @property
    def patient(self) -> PatientKey:
        """Whose study it is, or whose image it was read from."""
        return PatientKey(self.patient_id, self.authority)


@dataclass(frozen=True, slots=True)
class MoveOrigin:
    """The C-MOVE that an object came by, as its sender says (PS3.7 9.1.1.1.9): who asked for it, in which message."""

    ae_title: str
    message_id: int


@dataclass(frozen=True, slots=True)
class ReceivedObject:
    """An instance as received from its sender, complete on disk but not yet in the store.

    ``path`` is a DICOM file (PS3.10) on the store's own file system, ``digest`` that of the data set in it.
    """

    path: str
    digest: InstanceDigest
    size_bytes: int
    calling_ae_title: str
    called_ae_title: str
    peer_address: str
    received_at: datetime
    header: tuple[Header, StudyRecord] | None = None
    """Its header; None if it has not been read yet."""
    file_bytes: int | None = None
    """Size of the file: the data set and what precedes it; None if nobody counted."""
    copy_digest: InstanceDigest | None = None
    """Digest of the data set in the file if an archive encoded the same image in another way; None if it did not."""
    move: MoveOrigin | None = None
    """None if nobody asked for it by a C-MOVE, or its sender does not say so."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One instance that the node has accepted and keeps."""

    digest: InstanceDigest
    header: Header
    object_key: str
    received_at: datetime
    calling_ae_title: str
    operator: str = ""
    """Who made the image: a pseudonym, unless the site allows names."""
    conflicting: bool = False
    """Another instance with the same SOP Instance UID but other bytes came earlier; both are kept."""
    removal: Removal | None = None
    """Set if the node no longer has the file."""
    generation: int = 0
    """How often it was judged again, including the current judgement."""
