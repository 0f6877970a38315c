"""What the node makes of a site's images: how many objects of each kind, and how large they are.

They are counted in the site's own rows. A site without any is taken for one of radiographs, with the sizes that were
measured on those of ``benchmarks.radiographs``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from miqa_node.core.domain.delivery import KOS, SEG, SR, SR_FULL, ResultKind
from miqa_node.core.domain.verdict import Verdict
from miqa_node.runtime.store.database import Transaction
from miqa_node.stages.deliver.kinds.base import ObjectsConfig
from miqa_node.stages.deliver.rows.results import made_since
from miqa_node.stages.report.outputs.base import OUTPUTS, Output

WINDOW = timedelta(days=90)
"""The site's newest images, whose objects are counted."""
STACKS = frozenset({"CT", "MR", "PT"})
"""Modalities with one set of objects for a series."""
USUAL_IMAGES, USUAL_FLAGGED = 100, 15
"""Images a day where nothing is known, and how many of them are flagged, as in docs/explanation/capacity.md."""
USUAL_BYTES = {
    "SR": 17_000, "SR_FULL": 50_000, "SEG": 1_500_000, "KOS": 3_300, "GSPS": 5_200, "SC": 700_000, "SC_RLE": 12_500_000,
    "SC_J2K": 2_200_000, "PDF": 310_000, "AIRAI": 3_000, "ENHANCED": 8_400_000, "SEG_FRACTIONAL": 370_000,
    "SEG_LABELMAP": 4_200_000, "SEG_LUNGS": 1_050_000,
}  # fmt: skip
"""Mean size of an object about a flagged radiograph of 2048 × 2048 pixels: six of ``benchmarks.radiographs``' kind."""
USUAL_ACCEPTED_BYTES = 6_000
"""That of a report about an accepted one."""


@dataclass(frozen=True, slots=True)
class ObjectGroup:
    """Objects of one kind about images of one modality with one verdict; ``size_bytes`` is their mean."""

    kind: ResultKind
    modality: str
    verdict: Verdict
    of_decisions: bool
    count: float
    size_bytes: float


@dataclass(frozen=True, slots=True)
class Census:
    """Judged images of some days, by modality, how many of them are flagged, and the objects made of them."""

    since: datetime | None
    days: int
    images: dict[str, int]
    flagged: int
    groups: tuple[ObjectGroup, ...]

    @property
    def count(self) -> int:
        """Number of images."""
        return sum(self.images.values())

    def received_by(self, config: ObjectsConfig) -> Iterator[ObjectGroup]:
        """The objects that a destination gets of these images, by the rules by which the node sends them."""
        for output in OUTPUTS.all().values():
            if config.takes(output.kind):
                for one in self._made(output):
                    if not config.declines(one.modality, one.verdict):
                        yield one

    def _made(self, output: Output) -> Iterator[ObjectGroup]:
        """Objects of a kind; one that is made on request would have been made with each report that it belongs to."""
        own = [one for one in self.groups if one.kind == output.kind]
        if output.by_default or output.make is None:
            yield from own
            return
        count = sum(one.count for one in own)
        mean = sum(one.count * one.size_bytes for one in own) / count if count else USUAL_BYTES.get(output.kind, 0)
        beside = SEG if output.modality == SEG and output.only_flagged else SR
        for one in self.groups:
            is_of = output.of_series if one.modality in STACKS else output.of_images
            is_time = output.kind == SR_FULL or one.of_decisions == output.of_decisions
            if one.kind == beside and is_of and is_time and (one.verdict.flagged or not output.only_flagged):
                yield replace(one, kind=output.kind, size_bytes=mean)


def of_site(transaction: Transaction, now: datetime) -> Census | None:
    """The census of what a node received lately; None if it reported nothing yet."""
    images, objects = made_since(transaction, now - WINDOW)
    groups = tuple(
        ObjectGroup(ResultKind(row.kind), row.modality, Verdict(row.verdict), bool(row.decided), row.number,
                    float(row.mean or 0))
        for row in objects
    )  # fmt: skip
    if not any(one.kind == SR for one in groups):
        return None
    first, last = min(row.first for row in images), max(row.last for row in images)
    counts: Counter[str] = Counter()
    for row in images:
        counts[row.modality] += row.number
    flagged = sum(row.number for row in images if Verdict(row.verdict).flagged)
    return Census(first, (last.date() - first.date()).days + 1, dict(counts), flagged, groups)


def usual() -> Census:
    """Radiographs of a site of which nothing is known: each flagged one has a place, and is decided about once."""
    accepted, flagged = USUAL_IMAGES - USUAL_FLAGGED, USUAL_FLAGGED
    groups = [ObjectGroup(SR, "DX", Verdict.ACCEPT, False, accepted, USUAL_ACCEPTED_BYTES)]
    for kind, is_decided in ((SR, False), (SEG, False), (KOS, False), (SR, True)):
        groups.append(ObjectGroup(kind, "DX", Verdict.REVIEW, is_decided, flagged, USUAL_BYTES[kind]))
    return Census(None, 1, {"DX": USUAL_IMAGES}, USUAL_FLAGGED, tuple(groups))
