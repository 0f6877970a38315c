"""The faults that ACCEPT of a CT or MR series stands for: each is of a size that a person need not look for any more.

``miqa-node evaluate series DIR --faults`` puts them into real series; the policy keeps how many were found.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from miqa_node.core.language.phrase import Phrase, joined

CT, MR = ("CT",), ("MR",)
PAGE = "docs/explanation/series.md#what-accept-stands-for"
"""Where the faults stand that nothing finds."""


@dataclass(frozen=True, slots=True)
class ModerateFault:
    """One fault, by the name that policies and figures use.

    A measurement of ``measurements`` shows it; without any, nothing that is taken does.
    """

    name: str
    title: str
    measurements: tuple[str, ...]
    modalities: tuple[str, ...] = CT + MR


MODERATE_FAULTS: Sequence[ModerateFault] = (
    ModerateFault("missing slice", Phrase("a slice missing between two others"), ("slice_gaps",)),
    ModerateFault("swapped slices", Phrase("two slices exchanged"), ("slice_disorder",)),
    ModerateFault("doubled slice", Phrase("a slice twice"), ("slices_repeated", "slice_overlaps")),
    ModerateFault("lost rows", Phrase("eight rows lost"), ("lines_lost",)),
    ModerateFault("spacing of a slice", Phrase("another pixel size in one slice"), ("slices_differ",)),
    ModerateFault("thickness of a slice", Phrase("another thickness in one slice"), ("slices_differ",)),
    ModerateFault("slope of a slice", Phrase("another scale of values in one slice"), ("slices_differ",)),
    ModerateFault(
        "white noise",
        Phrase("15 HU of white noise"),
        ("noise_whiteness", "noise_for_dose", "normalised_noise", "ct_noise"),
        CT,
    ),
    ModerateFault(
        "textured noise",
        Phrase("15 HU of noise with the texture of a kernel"),
        ("noise_for_dose", "normalised_noise", "ct_noise"),
        CT,
    ),
    ModerateFault("doubled contour", Phrase("contours doubled by 3 pixels"), ("doubled_contours",), CT),
    ModerateFault("ring", Phrase("a ring of 20 HU"), ("ring_index",), CT),
    ModerateFault("streaks", Phrase("streaks of 20 HU"), ("streak_direction", "streak_index"), CT),
    ModerateFault("truncation", Phrase("a body cut off by 15 %"), ("truncation",), CT),
    ModerateFault("HU of all", Phrase("all values 30 HU off"), ("hu_offset", "hu_air", "hu_fat"), CT),
    ModerateFault("HU of a slice", Phrase("one slice 100 HU off"), ("slice_offset",), CT),
    ModerateFault("noise", Phrase("noise doubled"), ("mr_noise",), MR),
    ModerateFault("ghost", Phrase("a ghost of 5 %"), ("mr_ghost",), MR),
    ModerateFault("wrap", Phrase("fold-over of the body by 20 %"), ("mr_wrap",), MR),
    ModerateFault("spike", Phrase("a spike in the raw data of 5 %"), ("mr_spikes",), MR),
    ModerateFault("zipper", Phrase("a line of interference of 30 %"), ("mr_zipper",), MR),
    ModerateFault("motion", Phrase("motion by 3 pixels within a volume"), ("mr_doubled_contours",), MR),
    ModerateFault("lost raw lines", Phrase("eight lines of raw data lost"), ("mr_raw_lines",), MR),
)
"""In the order of lists; their names are keys of the policy."""
FAULT_NAMES = tuple(one.name for one in MODERATE_FAULTS)


def faults_of(modality: str) -> tuple[ModerateFault, ...]:
    """Those that are looked for in series of the modality."""
    return tuple(one for one in MODERATE_FAULTS if modality in one.modalities)


def shown_by(measurement: str) -> tuple[ModerateFault, ...]:
    """The faults that a measurement shows."""
    return tuple(one for one in MODERATE_FAULTS if measurement in one.measurements)


@dataclass(frozen=True, slots=True)
class FaultSearch:
    """Which faults would have flagged a series, and which others of its modality would not."""

    faults: tuple[ModerateFault, ...]
    others: tuple[ModerateFault, ...]

    @property
    def words(self) -> str:
        """What ACCEPT of the series stands for, and where the rest is said."""
        faults = _titles(self.faults) or Phrase("nothing")
        if not self.others:
            return Phrase(
                "no certificate: accepted by what is measured. Looked for: {faults} ({page})", faults=faults, page=PAGE
            )
        return Phrase(
            "no certificate: accepted by what is measured. Looked for: {faults}. Not looked for: {others} ({page})",
            faults=faults,
            others=_titles(self.others),
            page=PAGE,
        )


def search_with(modality: str, measurements: Collection[str]) -> FaultSearch:
    """What these measurements show, if a rule limits each of them.

    >>> [one.name for one in search_with("CT", {"slice_gaps", "truncation", "mr_ghost"}).faults]
    ['missing slice', 'truncation']
    """
    every = faults_of(modality)
    faults = tuple(one for one in every if not set(one.measurements).isdisjoint(measurements))
    return FaultSearch(faults, tuple(one for one in every if one not in faults))


def _titles(faults: Sequence[ModerateFault]) -> str:
    return joined(", ", [one.title for one in faults])
