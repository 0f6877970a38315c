"""What protocols have in common that are fixed before the first image is drawn or fetched: a name, a hash, a draw."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random

PROTOCOL_NAME = r"[a-z0-9][a-z0-9-]{0,39}"
"""Pattern of the names of reader studies and pilots."""


class Grade(StrEnum):
    """A reader's grade of an image."""

    USABLE = "usable"
    LIMITED = "limited"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyProtocol:
    """Its fields are those of a kind of protocol; they never change."""

    @property
    def text(self) -> str:
        """The protocol as canonical JSON: sorted keys, no spaces. The hash covers these bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)

    @property
    def sha256(self) -> str:
        """The hash to register or to send to a colleague before the first image is seen."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def random(self, purpose: str) -> Random:
        """A generator that gives the same numbers for the same protocol and purpose."""
        return Random(f"{self.sha256}:{purpose}")  # noqa: S311 - a draw that anybody can repeat, no secret
