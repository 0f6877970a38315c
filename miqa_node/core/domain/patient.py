"""Who the patient of an image is: the Patient ID together with the authority that assigned it.

Hospitals number their patients independently, so one number names different people. The authority is what the image
says, else what the settings say of its sender or of this node, else empty: the authority of a site that has only one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

UNKNOWN = "unknown"
"""What people read if nobody can say any more which authority assigned an ID."""


@dataclass(frozen=True, slots=True)
class PatientKey:
    """The identity of a patient. Two images are of one patient if their keys are equal and shared.

    ``authority`` is empty for the site's own numbers. It is None if it is unknown, because the image was received by an
    earlier version and its file is gone: such an ID is never taken for that of a known authority.
    """

    patient_id: str
    authority: str | None = ""

    @property
    def is_shared(self) -> bool:
        """Whether the key may name the same patient in several studies."""
        return bool(self.patient_id) and self.authority is not None

    def may_be(self, other: PatientKey) -> bool:
        """Whether the two name one patient, as far as anybody knows: the IDs are equal, and no two authorities differ.

        >>> PatientKey("1001", "NORTH").may_be(PatientKey("1001", None)), PatientKey("1").may_be(PatientKey("1", "A"))
        (True, False)
        """
        both_known = self.authority is not None and other.authority is not None
        return self.patient_id == other.patient_id and not (both_known and self.authority != other.authority)

    @property
    def label(self) -> str:
        """The ID for lists, with the authority if there is one.

        >>> PatientKey("1001").label, PatientKey("1001", "NORTH").label
        ('1001', '1001 (NORTH)')
        """
        return f"{self.patient_id} ({self.authority})" if self.patient_id and self.authority else self.patient_id

    @property
    def words(self) -> str:
        """The authority for people; empty for the site's own numbers."""
        return UNKNOWN if self.authority is None else self.authority

    def text(self, study_instance_uid: str = "") -> str:
        r"""One text for hashes and pseudonyms: as before authorities were known, where there is none.

        Without Patient ID it is that of the study.

        >>> PatientKey("1001").text(), PatientKey("1001", "NORTH").text(), PatientKey("").text("1.2")
        ('1001', '1001\n\nNORTH', '1.2')
        """
        if not self.patient_id:
            return study_instance_uid
        # No authority has line feeds, and no valid ID (PS3.5 6.2, LO): the text of an invalid one ends with them.
        is_plain = not self.authority and "\n\n" not in self.patient_id
        return self.patient_id if is_plain else f"{self.patient_id}\n\n{self.authority or ''}"


@dataclass(frozen=True, slots=True)
class StudyPatient:
    """One of the patients of a study; ``authority`` is None if nobody knows any more who assigned the ID."""

    patient_id: str
    authority: str | None
    patient_name: str
    images: int


@dataclass(frozen=True, slots=True)
class PatientConflict:
    """A study whose images name several patients, in the order in which their first images came: nobody wins.

    ``resolved_at`` is None until a person has looked.
    """

    study_instance_uid: str
    found_at: datetime
    patients: tuple[StudyPatient, ...]
    resolved_at: datetime | None = None
    resolved_by: str = ""
    comment: str = ""


def identifier(text: str) -> str:
    r"""The text of a key as HL7's data type CX has it, for messages.

    >>> identifier("1001"), identifier("1001\n\nNORTH")
    ('1001', '1001^^^NORTH')
    """
    return text.replace("\n\n", "^^^", 1)


def issuer_text(namespace: str, universal_id: str = "", universal_id_type: str = "") -> str:
    """The issuer that a header names: its universal ID, which is unique, else its local name.

    ``namespace`` is Issuer of Patient ID (0010,0021), the others are of its qualifiers (0010,0024), written as in HL7's
    data type HD.

    >>> issuer_text(" NORTH "), issuer_text("NORTH", "1.2.3", "ISO"), issuer_text("", "1.2.3")
    ('NORTH', '&1.2.3&ISO', '&1.2.3&ISO')
    """
    universal = plain(universal_id)
    if universal:
        return f"&{universal}&{universal_id_type.strip().upper() or 'ISO'}"
    return plain(namespace)


def plain(text: str) -> str:
    """Without spaces around it, and without line feeds."""
    return " ".join(text.split())
