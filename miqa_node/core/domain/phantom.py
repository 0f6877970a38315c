"""Series of test objects (phantoms): recognised by the node or marked by a person, and never on the worklist."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from miqa_node.core.language.phrase import Phrase

SAID_BY_A_PERSON = Phrase("A person said that the series shows a test object, not a patient.")


class PhantomKind(StrEnum):
    """Phantoms that are told from others, and measured by the definitions of their kind."""

    ACR_MR_LARGE = "acr_mr_large"
    ACR_MR_MEDIUM = "acr_mr_medium"
    MR_UNIFORM = "mr_uniform"
    """A plain bottle, sphere or cylinder in MR."""
    MR_SLICE_WIDTH = "mr_slice_width"
    """Two opposite ramps between nine rods; a person names it."""
    MR_RESOLUTION = "mr_resolution"
    """A slanted dark square; a person names it."""
    LCD_CT = "lcd_ct"
    CATPHAN_504 = "catphan_504"
    CATPHAN_600 = "catphan_600"
    CATPHAN_604 = "catphan_604"
    ACR_CT_464 = "acr_ct_464"
    CT_WATER = "ct_water"
    """A uniform cylinder near water in CT."""


@dataclass(frozen=True, slots=True)
class PhantomSeries:
    """A series recognised as a phantom; ``is_phantom`` is False once a person has stated that it shows a patient."""

    series_instance_uid: str
    study_instance_uid: str
    digest: str
    """The instance that represents the series."""
    modality: str
    station: str
    reason: str
    """Why it was recognised as a phantom."""
    is_phantom: bool
    recognised_at: datetime
    decided_by: str = ""
    """The person who confirmed or corrected it; empty if nobody did."""
    decided_at: datetime | None = None
    comment: str = ""
