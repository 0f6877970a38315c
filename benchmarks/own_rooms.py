"""What fifty images of a room add: marked defects found out of the box, and with the room's own usual ranges.

    nice -n 5 python -m benchmarks.own_rooms --data DIR [--cache FILE]

A room is a source of pictures with an invented station and invented days. Half of its patients teach what is usual; of
the others, images as they are and with simulated defects are judged by the node with its packages and default policy.
Two families of simulators are those of the cards; one more reduces the dose of the room itself, which is what happens
to a room: its own grain grows, not that of an ideal detector. ``--cache`` keeps what the packages said, so that
measurements can be changed without judging again; measurements are taken anew each time.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.machine import describe, keep
from miqa_node.core.domain.assessment import Assessment, Measurement
from miqa_node.core.domain.decision import decide
from miqa_node.core.domain.finding import FindingName
from miqa_node.core.domain.policy import Policy
from miqa_node.core.domain.reason_texts import NOISES
from miqa_node.core.settings import load_settings
from miqa_node.features.usual_ranges.baseline import (
    MeasurementRange,
    SeriesNumbers,
    flagging,
    ranged,
    ranges_of,
    unusual_among,
)
from miqa_node.runtime.store.documents import dump_assessment, load_assessment
from miqa_node.stages.measure.base import image_measures
from miqa_node.stages.measure.view import ImageView
from miqa_training.datasets import DatasetRecord, read_records
from miqa_training.degrade import Image, simulators
from miqa_training.degrade.grain import noise_deviation, split
from miqa_training.degrade.physics import LATITUDE_DECADES, clip
from miqa_training.samples import OBJECTS
from miqa_training.scores import other_record, read_image
from miqa_training.two_sides import LEVELS, NodeJudge, Simulate, by_degrade, by_kept, radiograph_of

LEARNED, JUDGED = 50, 50
SEED = 64
FIRST_AT, DAYS = datetime(2026, 3, 2), 8  # noqa: DTZ001 - a scanner's clock has no zone
DOSES = (1 / 2, 1 / 4, 1 / 8, 1 / 16)
"""At severity .25, .5, .75 and 1, as in the other families."""
OWN_DOSE = "the room's own dose"


@dataclass(frozen=True, slots=True)
class RoomSource:
    """A source that plays a room: the folder of its manifest, and what its images have in common, as in a history."""

    name: str
    folder: str
    source: str
    view: str
    side_px: int
    """Of the longer side; 0: any."""
    about: str

    def records(self, data: Path) -> list[DatasetRecord]:
        """Its images, with readers' grades if there are any."""
        annotations = data / "annotations" / "eval.jsonl"
        every = read_records(data / self.folder, annotations if self.folder == "cxr_eval" else None)
        return [one for one in every if self._covers(one)]

    def _covers(self, one: DatasetRecord) -> bool:
        return one.source == self.source and one.view == self.view and self.side_px in (0, one.long_side_px)


ROOMS = (
    RoomSource("Hannover", "cxr_eval", "hannover", "AP", 448, "adults, AP, 448 px; taught nothing, chose points"),
    RoomSource("OpenIST", "cxr_train", "openist", "PA", 0, "adults, PA, 500 px; taught nothing"),
    RoomSource("NIH", "cxr_train", "nih", "PA", 512, "adults, PA, 512 px; taught the quality package"),
    RoomSource(
        "Kermany", "cxr_pneumonia", "ker224", "AP", 224, "children, 224 px, so unsharp; others taught the package"
    ),
)
HINTS: Mapping[FindingName, frozenset[tuple[str, bool]]] = {
    FindingName.NOISE: frozenset((name, True) for name in NOISES),
    FindingName.UNSHARP: frozenset(
        {("edge_width_10_90", True), ("edge_slope_10_90", True), ("laplacian_variance", False), ("tenengrad", False)}
    ),
    FindingName.UNDEREXPOSURE: frozenset({("brightness", True)}),
    FindingName.OVEREXPOSURE_SATURATION: frozenset({("brightness", False)}),
    FindingName.CONTRAST_PROCESSING: frozenset({("contrast", False), ("used_range_share", False)}),
}  # fmt: skip
"""What an unusual measurement tells a person: (measurement, whether it lies above the range)."""


@dataclass(frozen=True, slots=True)
class RoomCase:
    """A judged image: what was made of it ("" nothing) by which family, and what the packages and measurements say."""

    file: str
    made: str
    family: str
    is_free: bool
    """Readers saw no noise in the image as it is, or nobody read it."""
    assessment: Assessment


@dataclass(frozen=True, slots=True)
class Told:
    """Findings of which a person hears: by flags alone, or by flags and hints."""

    flags: frozenset[str]
    hints: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """Both."""
        return self.flags | self.hints


def main() -> None:
    """Judge all rooms and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    options, machine = parser.parse_args(), describe()
    judge = RoomJudge(NodeJudge(load_settings(None)), options.cache)
    rooms = {}
    for one in ROOMS:
        rooms[one.name] = figures_of_room(one, options.data, judge)
        judge.keep()
    result = {"policy": judge.policy.version, "learned": LEARNED, "severities": LEVELS}
    keep("own_rooms", machine, {**result, "rooms": rooms})


class RoomJudge:
    """Judges pictures with all packages; what they said of a case is taken from the cache if it is there."""

    def __init__(self, judge: NodeJudge, cache: Path | None) -> None:
        self._judge, self._cache = judge, cache
        self._before: dict[tuple[str, ...], Assessment] = {}
        if cache is not None and cache.exists():
            stored = json.loads(cache.read_text("utf-8"))
            self._before = {tuple(case): load_assessment(document) for case, document in stored}

    @property
    def policy(self) -> Policy:
        """The default policy."""
        return self._judge.policy

    def __call__(self, image: Image, *case: str) -> Assessment:
        """The assessment; ``case`` names it."""
        if case not in self._before:
            self._before[case] = self._judge.assess(image)
            return self._before[case]
        before = self._before[case]
        return replace(before, measurements=measured(image, before))

    def keep(self) -> None:
        """Write the cache."""
        if self._cache is not None:
            stored = [(case, dump_assessment(one)) for case, one in self._before.items()]
            self._cache.write_text(json.dumps(stored), "utf-8")


def measured(image: Image, assessment: Assessment) -> tuple[Measurement, ...]:
    """What the node measures of a picture."""
    view = ImageView(radiograph_of(image), assessment.header)
    answers = (one.measure(view) for one in image_measures(assessment.header))
    return tuple(one for one in answers if isinstance(one, Measurement))


# The halves of a room


def halves(records: Sequence[DatasetRecord]) -> tuple[list[DatasetRecord], list[DatasetRecord]]:
    """(learned from, judged), without a common patient; what readers called unusable is not judged."""
    patients = sorted({record.patient for record in records})
    np.random.default_rng(SEED).shuffle(patients)
    learned: list[DatasetRecord] = []
    judged: list[DatasetRecord] = []
    for patient in patients:
        mine = [record for record in records if record.patient == patient]
        if len(learned) < LEARNED:
            learned += mine
        else:
            judged += [record for record in mine if record.grades.get("usable", "yes") == "yes"]
    return learned[:LEARNED], judged[:JUDGED]


def numbers_of(assessment: Assessment) -> Mapping[tuple[str, str], float]:
    """What takes part in usual ranges."""
    return {(one.name, one.unit): one.value for one in assessment.measurements if ranged(one.name)}


def history_of(assessments: Sequence[Assessment]) -> list[SeriesNumbers]:
    """On invented days, at equal distances."""
    step = timedelta(days=DAYS) / len(assessments)
    return [SeriesNumbers(FIRST_AT + number * step, numbers_of(one)) for number, one in enumerate(assessments)]


# Defects


def own_dose(image: Image, other: Image, _: FindingName, level: float, seed: tuple[int, ...]) -> Image:
    """A share of the dose of the room itself: more of the grain that another image of the room has.

    The grain keeps its spectrum and loses its places, and follows the grey level as that of quanta does, which on a
    logarithmic scale is larger where few arrive.
    """
    rng = np.random.default_rng(seed)
    dose = float(np.exp(np.interp(level, (0.25, 0.5, 0.75, 1.0), np.log(DOSES))))
    rows, columns = image.shape
    same_size = np.asarray(cv2.resize(other, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
    grain = split(same_size)[1]
    places = np.fft.rfft2(rng.normal(size=image.shape))
    noise = np.fft.irfft2(np.abs(np.fft.rfft2(grain)) * places / np.abs(places), s=image.shape)
    noise *= noise_deviation(other) / noise.std() * np.sqrt(1.0 / dose - 1.0)
    shown = cv2.GaussianBlur(image, (0, 0), 2.0)
    quanta = 10.0 ** (LATITUDE_DECADES * (shown - np.median(shown)) / 2.0)
    return clip(np.asarray(image + noise * quanta, np.float32))


FAMILIES: Mapping[str, Simulate] = {"degrade": by_degrade, "kept": by_kept, OWN_DOSE: own_dose}


def made_of(number: int, record: DatasetRecord, names: Sequence[FindingName]) -> Iterator[tuple[FindingName, str]]:
    """(finding, family) of the defects of an image: noise by all, each other one on every second image in turn."""
    for place, name in enumerate(names):
        if name == FindingName.NOISE:
            yield from ((name, family) for family in FAMILIES)
        elif (number + place) % 2 == 0 and not (name in OBJECTS and record.has(name) is not False):
            yield name, ("degrade", "kept")[number // 2 % 2]


def cases_of(
    room: str, judged: Sequence[DatasetRecord], judge: RoomJudge, names: Sequence[FindingName]
) -> Iterator[RoomCase]:
    """Every judged image as it is, and with its defects; what cannot be seen in a picture is left out."""
    for number, record in enumerate(judged):
        image, other, file = read_image(record), read_image(other_record(judged, number)), record.path.name
        case = partial(RoomCase, file, is_free=not record.grades.get("noise"))
        yield case("", "", assessment=judge(image, room, file))
        for place, (name, family) in enumerate(made_of(number, record, names)):
            level = LEVELS[(number + place) % len(LEVELS)]
            changed = FAMILIES[family](image, other, name, level, (SEED, number, place))
            if changed is not None:
                yield case(str(name), family, assessment=judge(changed, room, file, str(name), family))


# Figures


def figures_of_room(room: RoomSource, data: Path, judge: RoomJudge) -> dict[str, Any]:
    """Both columns for each soft finding, with what is said of images as they are."""
    learned, judged = halves(room.records(data))
    assessments = [judge(read_image(one), room.name, one.path.name) for one in learned]
    ranges = ranges_of(history_of(assessments))
    names = soft_findings(judge.policy)
    cases = list(cases_of(room.name, judged, judge, names))
    ways = {
        "out of the box": [told(case, judge.policy, ()) for case in cases],
        "own ranges": [told(case, judge.policy, ranges) for case in cases],
    }
    return {
        "about": room.about,
        "learned": len(assessments),
        "judged": len(judged),
        "patients": len({one.patient for one in (*learned, *judged)}),
        "ways": {way: _of_way(cases, heard, names) for way, heard in ways.items()},
    }


def soft_findings(policy: Policy) -> list[FindingName]:
    """Those of which slight degrees are ordinary, and that a simulator makes."""
    scope = next(one for one in policy.scopes if "CHEST" in one.body_part)
    return sorted({rule.finding for rule in scope.findings if rule.soft} & set(simulators()))


def told(case: RoomCase, policy: Policy, ranges: Sequence[MeasurementRange]) -> Told:
    """What a person hears with these ranges, which somebody confirmed."""
    verdict = decide(replace(case.assessment, usual_ranges=flagging(ranges)), policy)
    flags = {name for one in verdict.reasons if one.verdict.flagged for name in (one.name, one.finding)}
    unusual = unusual_among(SeriesNumbers(FIRST_AT, numbers_of(case.assessment)), ranges)
    beyond = {(one.measurement, one.is_above) for one in unusual}
    return Told(frozenset(flags), frozenset(str(name) for name, tells in HINTS.items() if tells & beyond))


def _of_way(cases: Sequence[RoomCase], heard: Sequence[Told], names: Sequence[FindingName]) -> dict[str, Any]:
    of = list(zip(cases, heard, strict=True))
    plain = [(case, one) for case, one in of if not case.made]
    noise = [(case, one) for case, one in of if case.made == FindingName.NOISE]
    free = [one for case, one in plain if case.is_free]
    return {
        "flagged": [sum(bool(one.flags & {*names}) for _, one in plain), len(plain)],
        "called_noisy": [sum(FindingName.NOISE in one.all for one in free), len(free)],
        "noise_found": {family: _share(FindingName.NOISE, [t for c, t in noise if c.family == family])
                        for family in FAMILIES},
        "findings": {
            str(name): {
                "found": _share(name, [one for case, one in of if case.made == name]),
                "clean_told": _share(name, [one for _, one in plain]),
            }
            for name in names
        },
    }  # fmt: skip


def _share(name: str, heard: Sequence[Told]) -> dict[str, float | int | None]:
    """Of so many: the share flagged, and the share flagged or hinted at."""
    count = len(heard)
    flagged, every = (sum(name in names for names in of) for of in ([o.flags for o in heard], [o.all for o in heard]))
    shares = {"flagged": round(flagged / count, 3), "told": round(every / count, 3)} if count else {}
    return {"images": count, **shares}


if __name__ == "__main__":
    main()
