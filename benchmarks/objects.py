"""Removable objects on images that trained nothing: called by the network, flagged by the policy, each set apart.

    python -m benchmarks.objects DATA

``DATA`` has the folders that ``miqa-node train objects`` reads. An image is *called* one if the finding is present, and
*flagged* if the policy asks for a person because of it, which follows where the drawn regions lie. Whether a thing that
a reader drew lies over a lung or the mediastinum is told by the middle of its box, in outlines that the node finds.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import describe, keep
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.object_place import ChestRegion
from miqa_node.interfaces.cli.options import settings_of
from miqa_node.local import LocalAssessor, LocalResult
from miqa_node.stages.assess.landmarks.object_places import ChestMap
from miqa_training.objects.data import ObjectExample, read_examples
from miqa_training.objects.evaluate import KINDS

SETS = ("choosing", "second", "development", "held_out")
COUNTED = ("removable", "devices_only", "nothing")
OVER = "removable over lung or mediastinum"


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """One image: what readers saw on it, and what the node says."""

    kinds: frozenset[str]
    called: bool
    flagged: bool


def main() -> int:
    """Print and keep the counts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.objects", description=main.__doc__)
    parser.add_argument("data", type=Path, metavar="DATA")
    examples, figures = read_examples(parser.parse_args().data), {}
    with LocalAssessor(settings_of(None)) as assessor:
        for name in SETS:
            figures[name] = counted(judged(getattr(examples, name), assessor))
            print(name, figures[name], flush=True)
    keep("objects", describe(), {"sets": figures})
    return 0


def judged(examples: Sequence[ObjectExample], assessor: LocalAssessor) -> Iterator[JudgedImage]:
    """Each image as the node judges it."""
    for one in examples:
        view = one.record.view if one.record.view in {"PA", "AP"} else ""
        result = assessor.assess_file(one.record.path, body_part="CHEST", view=view)
        finding = result.assessment.finding(FindingName.FOREIGN_OBJECT)
        reasons = (of.name for of in result.disposition.reasons if of.verdict.flagged)
        is_called = finding is not None and finding.present
        yield JudgedImage(_kinds(one, result), is_called, FindingName.FOREIGN_OBJECT in reasons)


def _kinds(example: ObjectExample, result: LocalResult) -> frozenset[str]:
    kinds = {name for name, is_one in zip(COUNTED, KINDS, strict=True) if is_one(example)}
    points = result.assessment.landmarks
    boxes = [one.box for one in example.record.objects or () if one.kind == "external_object" and one.sure]
    if points is not None and boxes:
        chest = ChestMap.of(points)
        middles = [((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in boxes]
        if chest is not None and any(chest.anatomy(one) is not ChestRegion.OUTSIDE for one in middles):
            kinds.add(OVER)
    return frozenset(kinds)


def counted(images: Iterable[JudgedImage]) -> dict[str, dict[str, int]]:
    """By what readers saw: images, and how many of them are called and flagged."""
    counts = {name: Counter[str](images=0, called=0, flagged=0) for name in (*COUNTED, OVER)}
    for image in images:
        for kind in image.kinds:
            counts[kind].update(images=1, called=image.called, flagged=image.flagged)
    return {name: dict(of) for name, of in counts.items()}


if __name__ == "__main__":
    raise SystemExit(main())
