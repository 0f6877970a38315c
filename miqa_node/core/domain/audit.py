"""The audit trail: who did what, when, from where and to whose images."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AuditEvent(StrEnum):
    """What happened."""

    STARTED = "started"
    STOPPED = "stopped"
    SIGNED_IN = "signed in"
    SIGN_IN_FAILED = "sign-in failed"
    SIGNED_OUT = "signed out"
    STUDY_SEEN = "study seen"
    IMAGE_SEEN = "image seen"
    LIST_SEEN = "list seen"
    EXPORTED = "exported"
    IMPORTED = "imported"
    """A reject log of a modality was imported, or its import was undone."""
    RECEIVED = "received"
    VERDICT = "verdict"
    DECIDED = "decided"
    """A person changed the worklist or labelled an image."""
    DELIVERED = "delivered"
    REASSESSED = "reassessment asked"
    REMOVED = "removed"
    ERASED = "patient erased"
    PATIENT_CHANGED = "patient changed"
    """Images gave a patient another name or birth date."""
    PATIENTS_CONFLICT = "patients in conflict"
    """A study has images of several patients, or a person resolved that."""
    HOLD_CHANGED = "legal hold changed"
    BACKED_UP = "backed up"
    ACCOUNT_CHANGED = "account changed"
    MODEL_CHANGED = "model changed"
    POLICY_CHANGED = "policy changed"
    SETTINGS_CHANGED = "settings changed"
    REFUSED = "refused"
    """A request or connection was refused: no permission, or a limit exceeded."""
    AUDIT_SEEN = "audit trail seen"
    AUDIT_PRUNED = "audit trail pruned"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record. ``number`` and ``sha256`` are its place in the chain; 0 and empty until it is sealed.

    ``at`` is ISO 8601 in UTC with microseconds, ``patient`` a pseudonym, ``detail`` a JSON object. If ``digest`` names
    an image, ``study`` is its study. The texts are stored exactly as hashed.
    """

    number: int
    at: str
    event: str
    actor: str
    means: str
    peer: str
    failed: bool
    patient: str
    study: str
    digest: str
    detail: str
    sha256: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """A filter of records; empty texts match all. ``since`` and ``until`` are like :attr:`AuditRecord.at`."""

    event: str = ""
    actor: str = ""
    study: str = ""
    patient_id: str = ""
    since: str = ""
    until: str = ""
    before: int = 0
    """Only records with smaller numbers."""
    limit: int = 100
    authority: str | None = None
    """Who assigned ``patient_id``; None is whoever did."""


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """The result of checking the chain: the numbers of its first and last record, and each fault in words."""

    first: int
    last: int
    unsealed: int
    faults: tuple[str, ...]
