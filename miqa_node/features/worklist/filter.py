"""The filter of the worklist, as the page, the REST interface, the command line and the database read it."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from miqa_node.core.domain.instance import ANY_UID
from miqa_node.core.domain.prediction import PENDING_NAMES
from miqa_node.core.domain.verdict import Verdict
from miqa_node.core.domain.worklist import WorklistState
from miqa_node.interfaces.web.values import NO_CONTROLS, Moment, Strict


class FlaggedImageFilter(Strict):
    """What a flagged image of the study must have; the page names these fields as programs do."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    modality: str = Field(
        "", max_length=16, pattern=NO_CONTROLS, description="Modality (0008,0060) of a flagged image."
    )
    body_part: str = Field(
        "", max_length=64, pattern=NO_CONTROLS, description="Body Part Examined (0018,0015) of a flagged image."
    )
    view: str = Field(
        "", max_length=64, pattern=NO_CONTROLS, description="View Position (0018,5101) of a flagged image."
    )
    station: str = Field(
        "", max_length=64, pattern=NO_CONTROLS, description="Station Name (0008,1010) of a flagged image."
    )
    reason: str = Field(
        "",
        max_length=64,
        pattern=NO_CONTROLS,
        description="Name of a finding, measurement or plausibility issue, e.g. motion_blur.",
    )


class WorklistFilter(FlaggedImageFilter):
    """Empty fields match everything."""

    model_config = ConfigDict(frozen=True)

    state: tuple[WorklistState, ...] = Field(
        (), description="One or more states; without any all, but for studies whose flag the node itself closed."
    )
    verdict: tuple[Verdict, ...] = Field((), description="One or more verdicts of the study.")
    pending_review: bool = Field(
        False, description="The list of predictions: only studies with one that waits for a person."
    )
    every_list: bool = Field(
        False, description="Also studies that are listed for a prediction alone; those are otherwise in their own list."
    )
    claimed_by: str = Field("", max_length=64, pattern=NO_CONTROLS, description="Who claimed it.")
    accession_number: str = Field("", max_length=64, pattern=NO_CONTROLS, description="Accession Number (0008,0050).")
    search: str = Field(
        "",
        max_length=64,
        pattern=NO_CONTROLS,
        description="How patient name, patient ID, accession number, station, room or operator begins, in any case.",
    )
    """Stations, rooms and operators are looked for among the newest studies that meet the other criteria."""
    uid: str = Field("", pattern=f"^({ANY_UID})?$", description="A study, series or SOP instance UID.")
    since: Moment | None = Field(None, description="Flagged at this time or later; with time zone.")
    until: Moment | None = Field(None, description="Flagged before this time; with time zone.")

    @property
    def leaves_predictions_out(self) -> bool:
        """Whether this is the list of quality: no predictions, no certain studies, no person's own are asked for."""
        return not (self.every_list or self.pending_review or self.reason in PENDING_NAMES or self.names_studies)

    @property
    def names_studies(self) -> bool:
        """Whether certain studies, or a person's own, are asked for."""
        return bool(self.uid or self.accession_number or self.search or self.claimed_by)
