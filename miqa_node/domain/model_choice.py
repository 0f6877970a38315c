"""Which model packages a site chose: the one that judges its images, and one that judges silently beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Slot(StrEnum):
    """What a package is chosen for."""

    ACTIVE = "active"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Names ``<name>-<version>``; empty where the site chose none.

    Without an active choice the settings or the newest package decide, without a shadow none runs.
    """

    active: str = ""
    shadow: str = ""


@dataclass(frozen=True, slots=True)
class Activation:
    """One decision about a slot, as the history keeps it; an empty ``package`` is "as without a choice"."""

    at: datetime
    slot: Slot
    package: str
    action: str
    actor: str
    comment: str
