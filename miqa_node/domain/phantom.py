"""Series of test objects (phantoms): recognised by the node or named by a person, and no part of the worklist."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

SAID_BY_A_PERSON = "A person said that the series shows a test object, not a patient."


@dataclass(frozen=True, slots=True)
class PhantomSeries:
    """One series that was taken for a phantom's; ``is_phantom`` is False once a person said that it shows a patient."""

    series_instance_uid: str
    study_instance_uid: str
    digest: str
    """The instance that represents the series."""
    modality: str
    station: str
    reason: str
    """Why it was taken for one."""
    is_phantom: bool
    recognised_at: datetime
    decided_by: str = ""
    """The person who confirmed or corrected it; empty if nobody did."""
    decided_at: datetime | None = None
    comment: str = ""
