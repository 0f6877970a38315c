"""A site's choice of model packages: the active one, and a shadow that judges silently."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Slot(StrEnum):
    """The role of a chosen package."""

    ACTIVE = "active"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Names ``<name>-<version>``; empty if the site chose none.

    Without an active choice, the settings or the newest package apply; without a shadow, none runs.
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
