"""Asks an archive what it has of a day until it has all of it, and says so where it cannot.

Archives give at most so many matches of a search: some refuse the search, some end it with a warning, some say nothing.
An answer that may be cut off is asked for again in parts, by time of day; two parts that together have more than the
whole show the limit. What is listed twice counts once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from miqa_node.core.domain.instance import can_name
from miqa_node.core.language.phrase import Phrase
from miqa_node.errors import CutOffError, DeliveryError
from miqa_node.stages.deliver.qido import LEAST_LIMIT

NUMBER = "NumberOfSeriesRelatedInstances"
MOST_IN_VAIN = 40
"""Parts that brought nothing new: the archive does not go by the time. Halving a day to a second takes 17."""
DAY_S = 86_400

MORE = Phrase(
    "The archive gives {number} matches of a search and no more, also of one second: images of this day are missing."
)
MAY_BE_MORE = Phrase(
    "The archive gave exactly {number} matches, which may be its limit, and the time of day does not part them: images "
    "of this day may be missing."
)
FEWER = Phrase(
    "The archive counts more images of a series ({number}) than it lists ({listed}): images of this day are missing."
)

Match = dict[str, str]
_STUDY = dict.fromkeys(
    ("StudyInstanceUID", "StudyDate", "StudyTime", "ModalitiesInStudy", "PatientID", "IssuerOfPatientID"), ""
)
_SERIES = dict.fromkeys(("SeriesInstanceUID", "Modality", "BodyPartExamined", "StationName", NUMBER), "")
_IMAGE = dict.fromkeys(("SOPInstanceUID", "SOPClassUID"), "")


class ArchiveListing:
    """``search`` is that of a destination. ``missing`` says by day what it could not list, and why."""

    def __init__(self, search: Callable[[str, Mapping[str, str]], list[Match]], modalities: Sequence[str]) -> None:
        self._search, self._modalities = search, modalities
        self._limit = sys.maxsize
        """The shortest answer that was found to be cut off."""
        self.missing: dict[str, str] = {}

    def series(self, day: str) -> Iterator[tuple[Match, Match]]:
        """Yield studies of the day with their series of the modalities, each once.

        The number of images of what is listed twice may be twice the right one, and is left out.
        """
        self.missing.pop(day, None)
        studies: dict[str, Match] = {}
        for modality in self._modalities:
            studies |= self._studies(day, modality)
        for study in studies.values():
            keys = {**_SERIES, "StudyInstanceUID": study["StudyInstanceUID"]}
            matches, why, number = self._ask("SERIES", keys)
            is_twice = number > len(matches)
            if why or number >= self._limit:
                for modality in self._modalities:
                    more, why, number = self._ask("SERIES", {**keys, "Modality": modality})
                    matches |= more
                    if why or number >= self._limit:
                        self._tell(day, why or Phrase(MORE, number=number))
            for series in matches.values():
                if series["Modality"] in self._modalities:
                    yield study, series | ({NUMBER: ""} if is_twice else {})

    def instances(self, day: str, study: Match, series: Match) -> list[Match]:
        """The images of a series, each once."""
        keys = {"StudyInstanceUID": study["StudyInstanceUID"], "SeriesInstanceUID": series["SeriesInstanceUID"]}
        matches, why, listed = self._ask("IMAGE", {**_IMAGE, **keys})
        number = int(series[NUMBER]) if series[NUMBER].isdecimal() else 0
        if why or LEAST_LIMIT <= listed < number:
            self._tell(day, why or Phrase(FEWER, number=number, listed=listed))
        return list(matches.values())

    def _studies(self, day: str, modality: str) -> dict[str, Match]:
        keys = {**_STUDY, "StudyDate": day, "ModalitiesInStudy": modality}
        matches, why, number = self._ask("STUDY", keys)
        if not why and number < min(LEAST_LIMIT, self._limit):
            return matches
        if not why and number < self._limit:
            parts = [self._ask("STUDY", {**keys, "StudyTime": _between(*slot)})[0] for slot in _around_median(matches)]
            listed = set().union(*parts)
            if listed <= set(matches):
                is_parted = listed == set(matches) and all(len(part) < len(matches) for part in parts)
                if not is_parted and _is_round(number):
                    self._tell(day, Phrase(MAY_BE_MORE, number=number))
                return matches
            self._limit = number
        return matches | self._by_time(keys, day)

    def _by_time(self, keys: Mapping[str, str], day: str) -> dict[str, Match]:
        """What there is by ever shorter times of the day."""
        matches: dict[str, Match] = {}
        slots, in_vain, is_answered = [(0, DAY_S)], 0, False
        while slots:
            first, end = slots.pop()
            more, why, number = self._ask("STUDY", {**keys, "StudyTime": _between(first, end)})
            is_answered |= not why or bool(more)
            in_vain = 0 if more.keys() - matches.keys() else in_vain + 1
            matches |= more
            if not why and number < self._limit:
                continue
            if in_vain > MOST_IN_VAIN or end - first == 1:
                if not is_answered:
                    raise DeliveryError(why)
                self._tell(day, why or Phrase(MORE, number=number))
                if in_vain > MOST_IN_VAIN:
                    break
            else:
                middle = (first + end) // 2
                slots += [(middle, end), (first, middle)]
        return matches

    def _ask(self, level: str, keys: Mapping[str, str]) -> tuple[dict[str, Match], str, int]:
        """(matches by UID, why these are not all, how many came)."""
        try:
            matches, why = self._search(level, keys), ""
        except CutOffError as error:
            matches, why = error.matches, str(error)
        key = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[level]
        return {one[key]: one for one in matches if can_name(one[key])}, why, len(matches)

    def _tell(self, day: str, why: str) -> None:
        self.missing.setdefault(day, why)


def _around_median(studies: Mapping[str, Match]) -> list[tuple[int, int]]:
    """The times before the median of some studies, at it and after it: each end is full, if there are more of them."""
    times = sorted(map(_second, (one["StudyTime"] for one in studies.values())))
    median = times[len(times) // 2]
    return [(first, end) for first, end in ((0, median), (median, median + 1), (median + 1, DAY_S)) if first < end]


def _second(text: str) -> int:
    """A time of DICOM in seconds of the day; noon if it is none."""
    digits = text.replace(":", "")[:6]
    if not digits.isascii() or not digits.isdecimal() or len(digits) < 4:
        return DAY_S // 2
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:6] or 0)
    return min(DAY_S - 1, 3600 * hours + 60 * minutes + seconds)


def _between(first: int, end: int) -> str:
    """A range of times, with all fractions of its last second.

    >>> _between(0, 43200)
    '000000-115959.999999'
    """
    return f"{_time(first)}-{_time(end - 1)}.999999"


def _time(second: int) -> str:
    return f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}"


def _is_round(number: int) -> bool:
    """Whether a person would set it as a limit."""
    return number % 10 == 0 or number.bit_count() == 1 or number == 12
