"""The report's groups for what measurements mark in a CT or MR series, where the extra ``series`` is installed."""

from __future__ import annotations

from miqa_node.core.words.subject import subject_of_measurement
from miqa_node.stages.report.content_items import ContentItem
from miqa_node.stages.report.outputs.base import OutputContext
from miqa_node.stages.report.series.extra import missing_libraries
from miqa_node.stages.report.series.stack import segment_numbers


def marked_groups(context: OutputContext) -> list[ContentItem]:
    """One group for each measurement that marks regions; none without the libraries.

    A slice that is marked as a whole has no region whose volume would say anything.
    """
    masks = [one for one in context.slice_masks if not one.mask.is_whole]
    if not masks or missing_libraries():
        return []
    from miqa_node.stages.report.series.group import marked_group  # noqa: PLC0415 - only such series need the libraries

    return [
        marked_group(
            subject_of_measurement(name, context.assessment),
            [one for one in masks if one.mask.measurement == name],
            context.lineage,
        )
        for name in segment_numbers(masks)
    ]
