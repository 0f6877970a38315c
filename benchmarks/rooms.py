"""Each source as a room that nobody knew: what is flagged before, while it learns, and with limits of its own.

    python -m benchmarks.rooms NAME=FOLDER ... --work DIR

Half of a source's images, drawn by the checksum of their names, may teach; the other half is judged as it is and with
simulated defects of severity .5, .75 and 1. Judgements are kept in ``--work``, so that other limits need no second one.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, keep
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place, RoomLook, RoomState
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.domain.verdict import Disposition
from miqa_node.dicom.pixels.picture import read_picture
from miqa_node.errors import MiqaError
from miqa_node.features.limits.defect_image import LEVELS, SEED, with_defect
from miqa_node.features.limits.defects import KEPT
from miqa_node.features.limits.learn import SeenImage, learned_limits, seen_image
from miqa_node.features.limits.learning import limits_of
from miqa_node.features.limits.simulate import kinds_of
from miqa_node.interfaces.cli.options import settings_of
from miqa_node.local import LocalAssessor, digest_of
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.units.kinds import image_traits

LEARN = 50
ROOMS = (("after_20", 20, 0), ("after_50", LEARN, 0), ("after_50_with_bad", LEARN, 5), ("after_200", 200, 0))
"""How many images teach, and how many of these have a simulated defect."""
LACKING = 10
"""So many images fewer also teach a room, where a source has no more."""
DRAWS = 5
"""Rooms that are drawn of each source; figures are their means."""
JUDGED = 10
"""Images of the half that is judged on which defects are simulated, each at three severities."""
CUTS = ("clipped_anatomy", "lung_cut_")
"""How the names of findings begin that say that anatomy is cut off: they are right more often than not."""


@dataclass(frozen=True, slots=True)
class Judged:
    """``number`` is even for images that may teach; without ``defect`` as the image came."""

    number: int
    defect: str
    level: float
    assessment: Assessment


def main() -> int:
    """Print a line for each source, and keep the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rooms", description=main.__doc__)
    parser.add_argument("sources", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--work", type=Path, required=True)
    settings = settings_of(None)
    parser.add_argument("--budget", type=float, default=settings.policy.room_budget)
    words = parser.parse_args()
    words.work.mkdir(parents=True, exist_ok=True)
    with LocalAssessor(settings) as assessor:
        policy = assessor.policy
        rooms = {}
        for name, _, folder in (one.partition("=") for one in words.sources):
            rows = judged(Path(folder), words.work / f"{name}.jsonl", assessor)
            rooms[name] = figures(rows, policy, words.budget)
            print(name, rooms[name], flush=True)
    keep("rooms", describe(), {"policy": policy.version, "learned": LEARN, "budget": words.budget, "rooms": rooms})
    return 0


def judged(folder: Path, cache: Path, assessor: LocalAssessor) -> list[Judged]:
    """All images of a source, and simulated defects on some of them."""
    if not cache.exists():
        rows = [*_plain(folder, assessor), *_defects(folder, assessor)]
        cache.write_text("".join(f"{json.dumps(_document(row))}\n" for row in rows), "utf-8")
    documents = map(json.loads, cache.read_text("utf-8").splitlines())
    return [_judged(one["number"], one["defect"], one["level"], one["assessment"]) for one in documents]


def _judged(number: int, defect: str, level: float, document: dict[str, Any]) -> Judged:
    return Judged(number, defect, level, load_assessment(document))


def _document(row: Judged) -> dict[str, Any]:
    of = {"number": row.number, "defect": row.defect, "level": row.level}
    return of | {"assessment": dump_assessment(row.assessment)}


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    return list(enumerate(sorted(folder.iterdir(), key=lambda file: (zlib.crc32(file.name.encode()), file.name))))


def _plain(folder: Path, assessor: LocalAssessor) -> Iterator[Judged]:
    for number, file in _numbered(folder):
        try:
            yield Judged(number, "", 0.0, assessor.assess_file(file).assessment)
        except MiqaError as error:
            print(f"image {number}: {error}")


def _defects(folder: Path, assessor: LocalAssessor) -> Iterator[Judged]:
    assess = assessor.tools.assessor()
    for place, (number, file) in enumerate([one for one in _numbered(folder) if one[0] % 2][:JUDGED]):
        header, radiograph = read_picture(file, modality="DX", body_part="", view="")
        for kind, defect in enumerate(KEPT):
            for level in LEVELS:
                changed = with_defect(radiograph, FindingName(defect), level, (SEED, place, kind, int(level * 4)))
                if changed is not None:
                    made = assess.assess(header, changed, digest_of(file), image_traits(header)).assessment
                    yield Judged(number, str(defect), level, made)


def figures(rows: Sequence[Judged], policy: Policy, budget: float) -> dict[str, Any]:
    """The figures of one source."""
    plain = [one for one in rows if not one.defect]
    others = [one.assessment for one in plain if one.number % 2]
    teaching = [seen_image(one.assessment, policy) for one in plain if not one.number % 2]
    defects = [one for one in rows if one.defect]
    result: dict[str, Any] = {"images": len(plain), "judged": len(others)}
    result["before"] = _flagged_and_found(others, defects, policy)
    result["learning"] = _flagged_and_found(others, defects, policy.with_limits(SiteLimits(learns_from=LEARN)))
    for name, count, bad in ROOMS:
        if count + bad <= len(teaching) + LACKING:
            drawn = [_after(teaching, others, defects, policy, budget, count, bad, seed) for seed in range(DRAWS)]
            result[name] = _mean(drawn)
    return result


def _after(
    teaching: Sequence[SeenImage], others: Sequence[Assessment], defects: Sequence[Judged],
    policy: Policy, budget: float, count: int, bad: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """With limits of a drawn room, some of whose images have a simulated defect and are not judged then."""
    draw = random.Random(seed)
    worse = set(draw.sample(range(len(defects)), bad))
    images = [
        *draw.sample(list(teaching), min(count - bad, len(teaching))),
        *(seen_image(defects[number].assessment, policy) for number in worse),
    ]
    limits = tuple(limits_of(Place(), learned_limits(images, budget), policy))
    looks = SiteLimits(1, limits, everywhere=RoomLook(Place(), RoomState.LEARNED, len(images)))
    judged = [one for number, one in enumerate(defects) if number not in worse]
    return _flagged_and_found(others, judged, policy.with_limits(looks))


def _flagged_and_found(images: Iterable[Assessment], defects: Sequence[Judged], policy: Policy) -> dict[str, Any]:
    flagged = [decide_quality(one, policy) for one in images]
    reasons: dict[str, int] = {}
    for disposition in flagged:
        for name in {reason.name for reason in disposition.reasons if reason.verdict.flagged}:
            reasons[name] = reasons.get(name, 0) + 1
    kinds = kinds_of(policy)
    results: dict[str, list[bool]] = {}
    called: dict[str, list[bool]] = {}
    for one in defects:
        made = decide_quality(one.assessment, policy)
        tells = _tells_of(one.defect, made, kinds)
        results.setdefault(one.defect, []).append(tells or (one.defect == "inverted" and made.verdict.flagged))
        finding = one.assessment.finding(FindingName(one.defect))
        called.setdefault(one.defect, []).append(finding is not None and finding.present)
    falsely = {name: [_tells_of(name, one, kinds) for one in flagged] for name in results}
    return {
        "flagged": round(statistics.fmean(one.verdict.flagged for one in flagged), 3),
        "flagged_but_cuts": round(statistics.fmean(map(_is_flagged_but_cuts, flagged)), 3),
        "accepted": round(statistics.fmean(one.verdict == "ACCEPT" for one in flagged), 3),
        "found": _shares(results),
        "called": _shares(called),
        "falsely": _shares(falsely),
        "reasons": {name: round(count / len(flagged), 3) for name, count in sorted(reasons.items())},
    }


def _is_flagged_but_cuts(disposition: Disposition) -> bool:
    return any(one.verdict.flagged and not one.name.startswith(CUTS) for one in disposition.reasons)


def _tells_of(defect: str, disposition: Disposition, kinds: Mapping[str, str]) -> bool:
    """Whether a reason that flags the image tells of this defect."""
    flagging = (reason for reason in disposition.reasons if reason.verdict.flagged)
    return any(defect == kinds.get(name, name) for one in flagging for name in (one.name, one.finding))


def _shares(counted: Mapping[str, Sequence[bool]]) -> dict[str, float]:
    return {name: round(statistics.fmean(of), 3) for name, of in sorted(counted.items())}


def _mean(drawn: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The means of the rooms that were drawn."""
    result: dict[str, Any] = {"worst_flagged": max(one["flagged_but_cuts"] for one in drawn)}
    for key in ("flagged", "flagged_but_cuts", "accepted"):
        result[key] = round(statistics.fmean(one[key] for one in drawn), 3)
    for key in ("found", "called", "falsely", "reasons"):
        names = sorted({name for one in drawn for name in one[key]})
        result[key] = {name: round(statistics.fmean(one[key].get(name, 0.0) for one in drawn), 3) for name in names}
    return result


if __name__ == "__main__":
    raise SystemExit(main())
