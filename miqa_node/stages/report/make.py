"""Makes the DICOM objects for the PACS from one judged image or series."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Protocol

import structlog

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.implementation import made_by
from miqa_node.core.domain.output import default_kinds
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.domain.worklist import Review
from miqa_node.errors import MiqaError, lacks_resources, place_of
from miqa_node.stages.report.inherit import inherit
from miqa_node.stages.report.made import MadeObject, ReportRequest, ReportSettings
from miqa_node.stages.report.outputs.base import OUTPUTS, Output, OutputContext
from miqa_node.stages.report.source import whatever_the_header
from miqa_node.stages.report.validate import check_file
from miqa_node.stages.report.write import encode

log = structlog.get_logger(__name__)


class ReportSubject(Protocol):
    """The subject of objects: a ReportedImage (``image``) or a ReportedSeries (``stack``)."""

    def context(self, request: ReportRequest) -> OutputContext:
        """The context for outputs; ReportError if no object can refer to the subject."""


@whatever_the_header
def make_objects(
    subject: ReportSubject,
    assessment: Assessment,
    disposition: Disposition,
    settings: ReportSettings | None = None,
    kinds: Collection[ResultKind] | None = None,
) -> tuple[MadeObject, ...]:
    """The objects of these ``kinds``, or of the default ones, that have content.

    The same arguments give the same bytes. An output of another distribution that fails is logged and left out.

    Raises
    ------
    ReportError
        The source has no identity to refer to, or an object would not be valid DICOM.
    """
    chosen = default_kinds() if kinds is None else frozenset(kinds)
    request = ReportRequest(assessment, disposition, settings or ReportSettings(), chosen)
    with made_by(request.settings.version):
        return _all_of(subject.context(request), OUTPUTS.all())


@whatever_the_header
def amend_objects(
    subject: ReportSubject,
    assessment: Assessment,
    disposition: Disposition,
    review: Review,
    settings: ReportSettings,
    kinds: Collection[ResultKind],
    amended: Collection[ResultKind],
) -> tuple[MadeObject, ...]:
    """The objects for a person's decision: new versions of the ``amended`` kinds, and outputs of decisions.

    ``kinds`` are those of the judgement.

    Raises
    ------
    ReportError
        As :func:`make_objects`.
    """
    request = ReportRequest(assessment, disposition, settings, frozenset(kinds))
    outputs = {name: one for name, one in OUTPUTS.all().items() if one.of_decisions or one.kind in amended}
    with made_by(settings.version):
        return _all_of(replace(subject.context(request), review=review), outputs)


def _all_of(context: OutputContext, outputs: Mapping[str, Output]) -> tuple[MadeObject, ...]:
    """The objects of these outputs, referenced ones first."""
    foreign = {plugin.name for plugin in OUTPUTS.plugins() if not plugin.built_in}
    ordered = sorted(outputs.items(), key=lambda pair: pair[1].order)
    made = (_try(output, context) if name in foreign else _make(output, context) for name, output in ordered)
    return tuple(one for one in made if one is not None)


def _try(output: Output, context: OutputContext) -> MadeObject | None:
    try:
        return _make(output, context)
    except Exception as error:
        if lacks_resources(error):
            raise  # it can be made, and is made later
        reason = str(error) if isinstance(error, MiqaError) else type(error).__name__
        log.error("output failed", output=output.kind, reason=reason, where=place_of(error))
        return None


def _make(output: Output, context: OutputContext) -> MadeObject | None:
    draft = output.make(context) if output.make is not None and output.applies(context) else None
    if draft is None:
        return None
    own, source = draft.own, context.source
    inherited, sets = inherit(own, source, draft.copied, draft.content)
    data = encode(own, inherited, output.transfer_syntax_uid, sets, draft.content)
    check_file(data, own.SOPClassUID, own.SOPInstanceUID, context.series or [source], inherited, sets)
    return MadeObject(output.kind, own.SOPClassUID, own.SOPInstanceUID, data)
