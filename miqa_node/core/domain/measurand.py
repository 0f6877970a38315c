"""The definition of a measurement: name, unit, code and text. The seam ``miqa.measurements`` lists them.

Reports, pages, policy checks and the reference use these definitions; :mod:`miqa_node.stages.measure.base` adds how a
number is measured on an image or a series.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.codes import Code
from miqa_node.plugins import Seam

OTHER = "Other"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CODE = re.compile(r"[A-Z0-9_]{0,16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurand:
    """The definition of one measurement.

    ``name`` is used in policies and JSON. ``unit`` is its UCUM code; ``other_units`` are its units if the header lacks
    a value; ``report_unit`` is an equivalent UCUM annotation for reports. ``label`` is its name in reports and on
    pages, at most 64 characters. ``summary`` is one sentence, ``definition`` the full text of the reference with
    formula and source (Markdown); without it the reference uses the summary. ``validity`` says on what the number may
    be used and where it is left out, ``tolerance`` how exact it is as far as a test, a benchmark or the source shows;
    both are columns of the reference (Markdown), and another distribution may leave them out.

    ``code`` is a standard code, or the value of a code of the private scheme 99MIQA, at most 16 characters; without it
    a value is made from the name. ``parent`` is the broader standard concept. ``phrase`` is its wording in the text of
    a report, with ``{value}``, or with ``{percent}`` for the value and its percent sign. ``section`` is a heading of
    the reference; ``rank`` orders all lists, and ``phrase_rank`` the text.
    """

    name: str
    unit: str
    label: str
    summary: str
    definition: str = ""
    validity: str = ""
    tolerance: str = ""
    code: Code | str = ""
    parent: Code | None = None
    other_units: tuple[str, ...] = ()
    report_unit: str = ""
    phrase: str = ""
    phrase_rank: int = 1000
    section: str = OTHER
    rank: int = 1000
    concern: str = ""
    """The meaning for the patient's images if a rule flags it: one or two plain sentences."""
    source: str = ""
    """Where the method comes from, if the definition does not say it (Markdown)."""
    least_spread: float = 0.0
    """What the number may differ by, in its unit, without any meaning for the scanner; see ``has_usual_range``."""
    least_spread_share: float = 0.0
    """The same as a share of the median; the larger of the two counts."""

    def __post_init__(self) -> None:
        """ValueError if a field could not be used in a report."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} cannot name a measurement: use lower-case letters, digits and '_'.")
        if not 0 < len(self.label) <= 64 or not self.label.isascii():
            raise ValueError(f"{self.name}: the label must have 1 to 64 ASCII characters.")
        if isinstance(self.code, str) and not _CODE.fullmatch(self.code):
            raise ValueError(f"{self.name}: a private code has up to 16 capital letters, digits and underscores.")
        try:
            self.phrase.format(value="", percent="", factor="")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"{self.name}: the phrase may only contain {{value}} or {{percent}}.") from error

    @property
    def has_usual_range(self) -> bool:
        """Whether it tells of the scanner; what the patient or the request decides (metal, breath) does not."""
        return self.least_spread > 0.0 or self.least_spread_share > 0.0

    def spread_around(self, median: float) -> float:
        """The least spread around a median of several series, in its unit."""
        return max(self.least_spread, self.least_spread_share * abs(median))

    @property
    def units(self) -> tuple[str, ...]:
        """All its possible units."""
        return (self.unit, *self.other_units)


MEASUREMENTS = Seam("measurements", Measurand)
"""All measurements by name."""


def measurands() -> Sequence[Measurand]:
    """All measurements in the order of lists."""
    return sorted(MEASUREMENTS.all().values(), key=lambda one: (one.rank, one.name))


WITHDRAWN: Mapping[str, Measurand] = {}
"""Measurements that no version takes any more, by name: stored judgements and their reports keep code and words."""


def every_measurand() -> Sequence[Measurand]:
    """Those that are taken, in the order of lists, and those that were."""
    return [*measurands(), *WITHDRAWN.values()]


def measurand_of(name: str) -> Measurand | None:
    """The definition of a measurement that is, or was, taken."""
    return MEASUREMENTS.all().get(name) or WITHDRAWN.get(name)
