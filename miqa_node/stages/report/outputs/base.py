"""The interface of an output, of the node or of another distribution (seam ``miqa.outputs``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRLittleEndian

from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.delivery import ResultKind
from miqa_node.core.domain.image import EnhancedImage, Radiograph
from miqa_node.core.domain.output import OutputKind
from miqa_node.core.domain.series import MeasurementMask
from miqa_node.core.domain.verdict import Disposition
from miqa_node.core.domain.worklist import Review
from miqa_node.plugins import Seam
from miqa_node.stages.measure.slices import Slice
from miqa_node.stages.report.content_items import ContentItem
from miqa_node.stages.report.elements import Element
from miqa_node.stages.report.instance import begin_instance
from miqa_node.stages.report.made import ReportSettings
from miqa_node.stages.report.mask import MarkedRegion
from miqa_node.stages.report.picture import Picture, draw_page
from miqa_node.stages.report.source import Source
from miqa_node.stages.report.uids import Lineage


@dataclass(frozen=True, slots=True)
class SliceMask:
    """The mask of a measurement on one slice; ``frame``, counted from 1, is its frame of ``source``."""

    mask: MeasurementMask
    source: Source
    frame: int
    place: Slice


@dataclass(frozen=True, slots=True)
class SourceSlice:
    """A slice of a series; ``frame``, counted from 1, is its frame of ``source``."""

    source: Source
    frame: int
    place: Slice


@dataclass(frozen=True)
class OutputContext:
    """The subject of an output: one judged image, or one series.

    ``source`` is the image, or the representative slice of the series, and ``path`` its file; ``frame``, counted from
    1, is the judged one. ``regions`` are on ``source``. For a series only: ``series`` has all its images with
    ``source`` first, ``slices`` all its slices in spatial order, ``decode_slice`` decodes one of them, and
    ``slice_masks`` are the masks of the measurements that flagged it. ``predecessors`` are the reports that a new one
    amends. ``review`` is a person's decision about it; tracking identifiers and references to the segmentation stay
    those of the judgement. ``for_series``: the image represents the others of its series, none of which was assessed.
    ``kinds`` has all kinds of objects being made. ``decode`` and ``enhance`` return pixels, if
    there are any; use :attr:`radiograph` and :attr:`enhanced`, which call them once and only on demand.
    """

    path: Path
    source: Source
    assessment: Assessment
    disposition: Disposition
    lineage: Lineage
    settings: ReportSettings
    kinds: frozenset[ResultKind]
    regions: Sequence[MarkedRegion] = ()
    frame: int = 1
    series: Sequence[Source] = ()
    slices: Sequence[SourceSlice] = ()
    slice_masks: Sequence[SliceMask] = ()
    predecessors: Sequence[Source] = ()
    review: Review | None = None
    decode: Callable[[], Radiograph] | None = None
    decode_slice: Callable[[Path, int], Radiograph] | None = None
    enhance: Callable[[Radiograph], EnhancedImage | None] | None = None
    for_series: bool = False

    @cached_property
    def radiograph(self) -> Radiograph | None:
        """The decoded pixels; None if there are none. Raises DecodeError."""
        return self.decode() if self.decode is not None else None

    @cached_property
    def enhanced(self) -> EnhancedImage | None:
        """The image with less noise or more contrast; None if it cannot be made."""
        return self.enhance(self.radiograph) if self.enhance is not None and self.radiograph is not None else None

    @cached_property
    def picture(self) -> Picture | None:
        """The image with its findings, and the verdict in words below; None without pixels."""
        if self.radiograph is None:
            return None
        return draw_page(self.radiograph.display, self.regions, self.disposition, self.assessment.score)

    def begin(self, output: OutputKind) -> Dataset:
        """A new object of an output: its identity, series, equipment and dates."""
        if self.review is None:
            return begin_instance(output, self.source, self.assessment, self.lineage, self.settings)
        assessment = replace(self.assessment, assessed_at=self.review.at)
        return begin_instance(output, self.source, assessment, self.lineage.decided(self.review.number), self.settings)


@dataclass(frozen=True, slots=True)
class Draft:
    """An object's elements before it is encoded; patient and study are added from the source.

    ``copied`` replaces the added elements, for an object that keeps more of its source. ``content`` is the Content
    Sequence of a document.
    """

    own: Dataset
    copied: Mapping[BaseTag, Element] | None = None
    content: Sequence[ContentItem] = ()


@dataclass(frozen=True, slots=True)
class Output(OutputKind):
    """One kind of object and how it is made; its name as a plug-in is its kind.

    ``make`` returns None if there is nothing to show. It uses neither clock nor random numbers: the same context gives
    the same bytes. With ``of_decisions`` the object is made for each decision of a person, and never before; an object
    without ``make`` belongs to one kind of decision only. Referenced objects have a lower ``order``, so that a reader
    never finds a reference to a missing object.
    """

    make: Callable[[OutputContext], Draft | None] | None = None
    order: int = 100
    of_images: bool = True
    of_series: bool = True
    only_flagged: bool = True
    of_decisions: bool = False
    transfer_syntax_uid: str = ExplicitVRLittleEndian

    def applies(self, context: OutputContext) -> bool:
        """Whether to make it in a context."""
        return (
            self.kind in context.kinds
            and (context.review is not None or not self.of_decisions)
            and (self.of_series if context.series else self.of_images)
            and (context.disposition.verdict.flagged or not self.only_flagged)
        )


OUTPUTS = Seam("outputs", Output)
