"""The definition of a measurement: name, unit, code and text. The seam ``miqa.measurements`` lists them.

Reports, pages, policy checks and the reference use these definitions; :mod:`miqa_node.stages.measure.base` adds how a
number is measured on an image or a series.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from miqa_node.core.domain.codes import SIGNAL_TO_NOISE, Code
from miqa_node.core.domain.finding import humanised
from miqa_node.core.domain.instance import Header
from miqa_node.core.language.phrase import Phrase
from miqa_node.libraries.plain_statistics.robust import LIMIT
from miqa_node.libraries.plain_statistics.scales import LEVEL, Scale
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
    both are columns of the reference (Markdown), and another distribution may leave them out. ``decimals`` are the
    decimal places that the tolerance leaves, which people see; without it they see four significant digits.

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
    decimals: int | None = None
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
    is_learned_soon: bool = False
    """Whether its usual range needs five days, not fourteen: noise, sharpness, contrast, exposure of radiographs."""
    spreads: float = LIMIT
    """Spreads from the median that are usual on a machine; fewer where a hint too many costs little."""
    most_elsewhere: float = 0.0
    """What 95 % of the ordinary images of the sources do not exceed, in its unit; 0 if nobody counted."""
    scale: Scale = LEVEL
    """What numbers it can have, and where equal steps mean alike: of a factor, of a share, of a count."""
    agreement: float = 0.0
    """How far it may be from an independent source of the same number, in its unit; 0 for one without proof."""
    agreement_share: float = 0.0
    """The same as a share of that number; the larger of the two counts."""
    proof: str = ""
    """What it is proven against: the object whose truth is known, or the other implementation (Markdown)."""
    left_out: str = ""
    """Why there is no number where it covers an image and cannot be taken, as a sentence."""
    is_of_fault: bool = False
    """Whether it exists only with a fault; then ``left_out`` says that there is none."""
    successor: str = ""
    """What takes the place of one that is withdrawn; empty if nothing does."""

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
    def is_proven(self) -> bool:
        """Whether it was held against an independent source."""
        return self.agreement > 0.0 or self.agreement_share > 0.0

    def why_not(self, header: Header, kind: str) -> str:  # noqa: ARG002 - subclasses look at them
        """Why this version does not take it of such an image, or of slices of this kind; empty if it does."""
        return ""

    @property
    def units(self) -> tuple[str, ...]:
        """All its possible units."""
        return (self.unit, *self.other_units)


MEASUREMENTS = Seam("measurements", Measurand)
"""All measurements by name."""


def measurands() -> Sequence[Measurand]:
    """All measurements in the order of lists."""
    return sorted(MEASUREMENTS.all().values(), key=lambda one: (one.rank, one.name))


WITHDRAWN: Mapping[str, Measurand] = {
    one.name: one
    for one in (
        Measurand(
            name="doubled_edges",
            unit="%",
            label="Doubled edges",
            summary="Strength of a shifted copy of the image in itself, on the worst slice.",
            decimals=0,
            successor="doubled_contours",
        ),
        Measurand(
            name="mr_snr_dietrich",
            unit="1",
            label="Signal to noise against air",
            parent=SIGNAL_TO_NOISE,
            summary="Median of the foreground over the standard deviation of air, corrected for magnitude images.",
            decimals=1,
            successor="mr_snrd",
        ),
        Measurand(
            name="mr_inu_median",
            unit="1",
            label="Bias field, median",
            summary="Median of the bias field in the foreground.",
            decimals=3,
        ),
        Measurand(
            name="mr_inu_range",
            unit="1",
            label="Bias field, range",
            summary="Distance of the 5th and 95th percentile of the bias field in the foreground, per median.",
            decimals=3,
            successor="mr_inu_width",
        ),
        Measurand(
            name="mr_uniformity",
            unit="%",
            label="Uniformity of the bias field",
            summary="Percent integral uniformity of the bias field.",
            decimals=0,
            successor="mr_inu_width",
        ),
        Measurand(
            name="nps_peak",
            unit="1/mm",
            label="Peak frequency of noise",
            summary="Frequency with the highest noise power in soft tissue.",
            decimals=2,
            successor="nps_frequency",
        ),
        Measurand(
            name="pt_tags_missing",
            unit="1",
            report_unit="{elements}",
            label="Elements missing for uptake values",
            summary="Elements that standardised uptake values need and the header lacks.",
            decimals=0,
            successor="pt_suv_tags_missing",
        ),
        Measurand(
            name="us_bands",
            unit="%",
            label="Bands parallel to the transducer",
            summary="Share of the near half's variance that is the same in all beams.",
        ),
    )
}
"""Measurements that no version takes any more, by name: stored judgements and their reports keep code and words.

A withdrawn name and its code are never used again; a number that is taken in another way gets new ones.
"""


def every_measurand() -> Sequence[Measurand]:
    """Those that are taken, in the order of lists, and those that were."""
    return [*measurands(), *WITHDRAWN.values()]


def measurand_of(name: str) -> Measurand | None:
    """The definition of a measurement that is, or was, taken."""
    return MEASUREMENTS.all().get(name) or WITHDRAWN.get(name)


def label_of(name: str) -> str:
    """The label of a measurement, a phrase; the name as words if nothing defines it."""
    measurand = measurand_of(name)
    return Phrase(measurand.label) if measurand is not None else humanised(name)


def is_withdrawn(name: str) -> bool:
    """Whether nothing takes it any more; a plug-in may still measure what it calls so."""
    return name in WITHDRAWN and name not in MEASUREMENTS.all()


def withdrawn_words(name: str) -> str:
    """What became of a withdrawn measurement: "NAME is withdrawn", and its successor if it has one."""
    successor = WITHDRAWN[name].successor
    if successor:
        return Phrase("{name} is withdrawn; {successor} takes its place", name=name, successor=successor)
    return Phrase("{name} is withdrawn", name=name)
