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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, keep
from miqa_node.core.domain.assessment import Assessment
from miqa_node.core.domain.decision import decide_quality
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.room import Place
from miqa_node.core.domain.site_limit import SiteLimits
from miqa_node.core.domain.verdict import Disposition
from miqa_node.dicom.pixels.picture import read_picture
from miqa_node.errors import MiqaError
from miqa_node.features.limits.defect_image import LEVELS, SEED, with_defect
from miqa_node.features.limits.defects import KEPT
from miqa_node.features.limits.learn import SeenImage, seen_image
from miqa_node.features.limits.room_trials import kinds_of, learned_room
from miqa_node.interfaces.cli.options import settings_of
from miqa_node.local import LocalAssessor, digest_of
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.units.kinds import image_traits

LEARN, MANY, FOR_MANY = 50, 200, 400
"""Images that teach; a second time with more, where the source has so many."""
DRAWS = 5
"""Rooms that are drawn of each source; figures are their means."""
TAUGHT, JUDGED = 50, 16
"""Images with simulated defects: of the half that teaches, and of the half that is judged."""


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
    halves = [[one for one in _numbered(folder) if one[0] % 2 == half] for half in (0, 1)]
    for half, most in ((halves[0], TAUGHT), (halves[1], JUDGED)):
        for place, (number, file) in enumerate(half[:most]):
            header, radiograph = read_picture(file, modality="DX", body_part="", view="")
            for kind, defect in enumerate(KEPT):
                levels = LEVELS if number % 2 else (LEVELS[(place + kind) % len(LEVELS)],)
                for level in levels:
                    changed = with_defect(radiograph, FindingName(defect), level, (SEED, place, kind, int(level * 4)))
                    if changed is not None:
                        made = assess.assess(header, changed, digest_of(file), image_traits(header)).assessment
                        yield Judged(number, str(defect), level, made)


def figures(rows: Sequence[Judged], policy: Policy, budget: float) -> dict[str, Any]:
    """The figures of one source."""
    plain = [one for one in rows if not one.defect]
    others = [one.assessment for one in plain if one.number % 2]
    learned = set().union(*kinds_of(policy).values())
    simulated = [one for one in rows if one.defect in learned and not one.number % 2]
    images = {one.number: seen_image(one.assessment, policy) for one in plain}
    trials = [
        replace(seen_image(one.assessment, policy, one.defect), unaltered=images.get(one.number)) for one in simulated
    ]
    teaching = [image for number, image in images.items() if not number % 2]
    defects = [one for one in rows if one.defect and one.number % 2]
    result: dict[str, Any] = {"images": len(plain), "judged": len(others)}
    result["before"] = _flagged_and_found(others, defects, policy)
    result["learning"] = _flagged_and_found(others, defects, policy.with_limits(SiteLimits(learns_from=LEARN)))
    for count in (LEARN, MANY) if len(plain) >= FOR_MANY else (LEARN,):
        drawn = [_after(teaching, trials, others, defects, policy, budget, count, seed) for seed in range(DRAWS)]
        result[f"after_{count}"] = _mean(drawn)
    return result


def _after(
    teaching: Sequence[SeenImage], trials: Sequence[SeenImage], others: Sequence[Assessment],
    defects: Sequence[Judged], policy: Policy, budget: float, learned: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    images = random.Random(seed).sample(list(teaching), min(learned, len(teaching)))
    room = learned_room(Place(), [one for one in images if not one.always], trials, policy, budget)
    looks = SiteLimits(1, room.limits, everywhere=room.look)
    return _flagged_and_found(others, defects, policy.with_limits(looks)) | {"own_found": room.look.found}


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
        "accepted": round(statistics.fmean(one.verdict == "ACCEPT" for one in flagged), 3),
        "found": _shares(results),
        "called": _shares(called),
        "falsely": _shares(falsely),
        "reasons": {name: round(count / len(flagged), 3) for name, count in sorted(reasons.items())},
    }


def _tells_of(defect: str, disposition: Disposition, kinds: Mapping[str, Collection[str]]) -> bool:
    """Whether a reason that flags the image tells of this defect."""
    flagging = (reason for reason in disposition.reasons if reason.verdict.flagged)
    return any(defect in kinds.get(name, {name}) for one in flagging for name in (one.name, one.finding))


def _shares(counted: Mapping[str, Sequence[bool]]) -> dict[str, float]:
    return {name: round(statistics.fmean(of), 3) for name, of in sorted(counted.items())}


def _mean(drawn: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The means of the rooms that were drawn."""
    result: dict[str, Any] = {"worst_flagged": max(one["flagged"] for one in drawn)}
    for key in ("flagged", "accepted", "own_found"):
        values = [one[key] for one in drawn if one[key] is not None]
        result[key] = round(statistics.fmean(values), 3) if values else None
    for key in ("found", "called", "falsely", "reasons"):
        names = sorted({name for one in drawn for name in one[key]})
        result[key] = {name: round(statistics.fmean(one[key].get(name, 0.0) for one in drawn), 3) for name in names}
    return result


if __name__ == "__main__":
    raise SystemExit(main())
