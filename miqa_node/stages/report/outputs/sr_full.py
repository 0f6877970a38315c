"""Makes the Structured Report with all numbers: every measurement and anatomical point, for archives that mine them."""

from __future__ import annotations

from miqa_node.core.domain.delivery import SR_FULL
from miqa_node.stages.report.outputs.base import Draft, Output, OutputContext
from miqa_node.stages.report.outputs.sr import SOP_CLASS_UID, make_report


def make_full_sr(context: OutputContext) -> Draft:
    """The same report as the slim one, with all numbers, under a UID of its own."""
    return make_report(context, OUTPUT, is_full=True)


OUTPUT = Output(
    kind=SR_FULL,
    modality="SR",
    series_number=9915,
    description="Image quality report, all numbers",
    sop_class_uid=SOP_CLASS_UID,
    make=make_full_sr,
    order=21,
    only_flagged=False,
)
