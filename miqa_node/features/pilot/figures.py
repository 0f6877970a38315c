"""The numbers of a pilot's report, each made of its lines alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.study_protocol import Grade
from miqa_node.features.pilot.lines import PilotLine, PilotLines
from miqa_node.features.pilot.progress import Outcome
from miqa_node.features.pilot.strata import is_flagged
from miqa_node.libraries.plain_statistics.agreement import Agreement, agreement, gwet_ac1
from miqa_node.libraries.plain_statistics.rates import Rate, rate
from miqa_node.libraries.plain_statistics.stratified import Stratum, share_of_two, weighted_share


@dataclass(frozen=True, slots=True)
class RoomAlarms:
    """Alarms of a room. ``own`` are how many there would be with the room's own limits, None if it has too few.

    Unless rooms learned ``own`` is an estimate: limits of its own flag the budget for soft findings. ``days`` are those
    on which it worked.
    """

    room: str
    flagged: Rate
    days: int
    own: float | None

    @property
    def a_day(self) -> float | None:
        """Alarms per day of work."""
        return self.flagged.count / self.days if self.days else None

    @property
    def own_a_day(self) -> float | None:
        """The same with the room's own limits."""
        return None if self.own is None or not self.days else self.own / self.days


@dataclass(frozen=True, slots=True)
class PilotRejects:
    """Rejects of a room that a log names, and the images of the room in which the node found the same.

    ``code`` is the reason by CID 7011; ``flagged`` is None where no finding fits it.
    """

    room: str
    code: str
    rejects: int
    flagged: int | None


@dataclass(frozen=True, slots=True)
class PilotFigures:
    """All figures. Shares that were read are weighted to the whole period; the counts are of what was read."""

    found: int
    judged: int
    flagged: Rate
    not_assessed: Counter[str]
    failed: Counter[str]
    known: int
    erased: int
    rooms: Sequence[RoomAlarms]
    rejects: Sequence[PilotRejects]
    did_learn: bool
    """Whether rooms learned from these images; else the figures of own limits are an estimate."""
    months: Mapping[str, Rate]
    body_parts: Mapping[str, Rate]
    findings: Counter[str]
    drawn: int
    lost: int
    read: int
    grades: Mapping[bool, Counter[str]]
    """By reader A, of flagged images and of others."""
    grades_by_finding: Mapping[str, Counter[str]]
    right: Rate
    """Of the flagged images: unusable."""
    missed: Rate
    """Of the others: unusable."""
    caught: Rate
    """Of the unusable images: flagged."""
    unusable: Rate
    both_read: int
    kappa: Agreement
    ac1: Agreement


def figures_of(pilot: PilotLines) -> PilotFigures:
    """The figures of a pilot, as far as it went and was read."""
    lines = pilot.lines
    judged = [one for one in lines if one.is_judged]
    drawn = [one for one in lines if one.stratum]
    read = [one for one in drawn if one.first]
    flagged, others = _strata(pilot, read)
    pairs = Counter((one.first == Grade.UNUSABLE, one.second == Grade.UNUSABLE) for one in read if one.second)
    return PilotFigures(
        found=len(lines) + pilot.erased,
        judged=len(judged),
        flagged=_rate(judged),
        not_assessed=Counter(one.why for one in lines if one.outcome == Outcome.JUDGED and not one.is_judged),
        failed=Counter(one.why for one in lines if one.outcome == Outcome.FAILED),
        known=sum(one.outcome == Outcome.KNOWN for one in lines),
        erased=pilot.erased,
        rooms=[_alarms(pilot, room, images) for room, images in _by(judged, lambda one: one.room).items()],
        did_learn=pilot.learn,
        rejects=[
            PilotRejects(room, code, number, _same(judged, room, name) if name else None)
            for (room, code, name), number in pilot.rejects.items()
        ],
        months={month: _rate(images) for month, images in _by(judged, lambda one: one.month).items()},
        body_parts={part: _rate(images) for part, images in _by(judged, lambda one: one.body_part).items()},
        findings=Counter(name for one in judged for name in one.findings),
        drawn=len(drawn),
        lost=sum(one.is_lost for one in drawn),
        read=len(read),
        grades={is_one: Counter(one.first for one in read if one.is_flagged is is_one) for is_one in (True, False)},
        grades_by_finding={
            name: Counter(one.first for one in images)
            for name, images in _by((one for one in read if one.findings), lambda one: one.findings[0]).items()
        },
        right=weighted_share(flagged),
        missed=weighted_share(others),
        caught=share_of_two(flagged, others),
        unusable=weighted_share([*flagged, *others]),
        both_read=sum(pairs.values()),
        kappa=agreement(pairs),
        ac1=gwet_ac1(pairs),
    )


def _strata(pilot: PilotLines, read: Sequence[PilotLine]) -> tuple[list[Stratum], list[Stratum]]:
    """Those of flagged images and of others, as they were read: what was lost or is not read yet counts as not drawn.

    Strata of which nothing was read join one of their side that was.
    """
    drawn: Counter[str] = Counter(one.stratum for one in read)
    bad = Counter(one.stratum for one in read if one.first == Grade.UNUSABLE)
    sides: tuple[list[Stratum], list[Stratum]] = [], []
    for name, (images, _) in pilot.strata.items():
        sides[not is_flagged(name)].append(Stratum(images, drawn[name], bad[name]))
    return sides


def _alarms(pilot: PilotLines, room: str, images: Sequence[PilotLine]) -> RoomAlarms:
    flagged = _rate(images)
    if pilot.learn:
        by_own = sum(one.own == "1" if one.own else one.is_flagged for one in images)
        own = float(by_own) if any(one.own for one in images) else None
        return RoomAlarms(room, flagged, pilot.days.get(room, 0), own)
    hard = sum(one.is_hard for one in images)
    # A room learns by body part and view; here it flags the budget of all its images.
    own = hard + pilot.budget * len(images) if len(images) >= pilot.learn_images else None
    return RoomAlarms(room, flagged, pilot.days.get(room, 0), own)


def _same(judged: Sequence[PilotLine], room: str, finding: str) -> int:
    return sum(one.room == room and finding in one.findings for one in judged)


def _rate(images: Sequence[PilotLine]) -> Rate:
    return rate(sum(one.is_flagged for one in images), len(images))


def _by(images: Iterable[PilotLine], name: Callable[[PilotLine], str]) -> dict[str, list[PilotLine]]:
    """Images by something of them, sorted."""
    groups: defaultdict[str, list[PilotLine]] = defaultdict(list)
    for one in images:
        groups[name(one)].append(one)
    return dict(sorted(groups.items()))
