"""The faults that series are searched for, and what came of it.

ACCEPT of a CT or MR series stands for moderate faults: each is of a size that a person need not look for any more.
``miqa-node evaluate series DIR --faults`` puts them into real series; the policy keeps how many were found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from miqa_node.core.language.phrase import Phrase, joined

CT, MR = ("CT",), ("MR",)
PAGE = "docs/explanation/series.md#what-accept-stands-for"
"""Where the faults stand that nothing finds."""
ORDER, GEOMETRY, ROWS, NOISE, HU, CONTOURS = (
    Phrase("order"), Phrase("geometry"), Phrase("rows"), Phrase("noise"), Phrase("HU"), Phrase("doubled contours"),
)  # fmt: skip
"""Groups of several faults."""


@dataclass(frozen=True, slots=True)
class ModerateFault:
    """One fault, by the name that policies and figures use; headlines name its group.

    A measurement of ``measurements``, or a contradiction, shows it; without any, nothing that is taken does.
    """

    name: str
    group: str
    title: str
    measurements: tuple[str, ...]
    modalities: tuple[str, ...] = CT + MR


MODERATE_FAULTS: Sequence[ModerateFault] = (
    ModerateFault("missing slice", ORDER, Phrase("a slice missing between two others"), ("slice_gaps",)),
    ModerateFault("swapped slices", ORDER, Phrase("two slices exchanged"), ("slice_disorder",)),
    ModerateFault("doubled slice", ORDER, Phrase("a slice twice"), ("slices_repeated", "slice_overlaps")),
    ModerateFault("lost rows", ROWS, Phrase("eight rows lost"), ("lines_lost",)),
    ModerateFault("spacing of a slice", GEOMETRY, Phrase("another pixel size in one slice"), ("slices_differ",)),
    ModerateFault("thickness of a slice", GEOMETRY, Phrase("another thickness in one slice"), ("slices_differ",)),
    ModerateFault(
        "slope of a slice", Phrase("scale"), Phrase("another scale of values in one slice"), ("slices_differ",)
    ),
    ModerateFault(
        "white noise",
        NOISE,
        Phrase("15 HU of white noise"),
        ("noise_whiteness", "noise_for_dose", "normalised_noise", "ct_noise"),
        CT,
    ),
    ModerateFault(
        "textured noise",
        NOISE,
        Phrase("15 HU of noise with the texture of a kernel"),
        ("noise_for_dose", "normalised_noise", "ct_noise"),
        CT,
    ),
    ModerateFault("doubled contour", CONTOURS, Phrase("contours doubled by 3 pixels"), ("doubled_contours",), CT),
    ModerateFault("ring", Phrase("rings"), Phrase("a ring of 20 HU"), ("ring_index",), CT),
    ModerateFault("streaks", Phrase("rays"), Phrase("streaks of 20 HU"), ("streak_direction", "streak_index"), CT),
    ModerateFault("truncation", Phrase("truncation"), Phrase("a body cut off by 15 %"), ("truncation",), CT),
    ModerateFault("HU of all", HU, Phrase("all values 30 HU off"), ("hu_offset", "hu_air", "hu_fat"), CT),
    ModerateFault("HU of a slice", HU, Phrase("one slice 100 HU off"), ("slice_offset",), CT),
    ModerateFault("noise", NOISE, Phrase("noise doubled"), ("mr_noise",), MR),
    ModerateFault("ghost", Phrase("ghosts"), Phrase("a ghost of 5 %"), ("mr_ghost",), MR),
    ModerateFault("wrap", Phrase("fold-over"), Phrase("fold-over of the body by 20 %"), ("mr_wrap",), MR),
    ModerateFault("spike", Phrase("spikes"), Phrase("a spike in the raw data of 5 %"), ("mr_spikes",), MR),
    ModerateFault("zipper", Phrase("zipper"), Phrase("a line of interference of 30 %"), ("mr_zipper",), MR),
    ModerateFault("motion", CONTOURS, Phrase("motion by 3 pixels within a volume"), ("mr_doubled_contours",), MR),
    ModerateFault(
        "lost raw lines", Phrase("lost raw lines"), Phrase("eight lines of raw data lost"), ("mr_raw_lines",), MR
    ),
)
"""In the order of lists; their names are keys of the policy."""
FAULT_NAMES = tuple(one.name for one in MODERATE_FAULTS)
OTHER_FAULTS: Sequence[ModerateFault] = (
    ModerateFault("missing images", ORDER, Phrase("fewer images than the header announces"), ("series_incomplete",)),
    ModerateFault("unreadable slice", ORDER, Phrase("a slice that cannot be read"), ("slices_unreadable",)),
    ModerateFault("empty slice", ROWS, Phrase("an empty slice"), ("slices_blank",)),
    ModerateFault("body size", Phrase("size"), Phrase("a wrong pixel size of all slices"), ("body_size",)),
    ModerateFault(
        "thin slices", Phrase("coverage"), Phrase("slices far apart for their thickness"), ("thickness_share",), CT
    ),
    ModerateFault("metal", Phrase("metal"), Phrase("metal"), ("metal_share",), CT),
    ModerateFault(
        "brightness of slices", Phrase("brightness"), Phrase("brightness jumping between slices"), ("slice_jump",), MR
    ),
    ModerateFault(
        "motion between volumes", Phrase("motion between volumes"), Phrase("motion between volumes"), ("mr_motion",), MR
    ),
)
"""What series are searched for beside these: ACCEPT asks for no figures of it."""


def faults_of(modality: str) -> tuple[ModerateFault, ...]:
    """Those that are looked for in series of the modality."""
    return tuple(one for one in MODERATE_FAULTS if modality in one.modalities)


def shown_by(measurement: str) -> tuple[ModerateFault, ...]:
    """The faults that a measurement shows."""
    return tuple(one for one in MODERATE_FAULTS if measurement in one.measurements)


@dataclass(frozen=True, slots=True)
class FaultSearch:
    """A fault that a series was searched for, by its name and in words."""

    fault: str
    title: str
    found: bool = False


@dataclass(frozen=True, slots=True)
class OpenFault:
    """A fault that a series was not searched for, and why not."""

    fault: str
    title: str
    why: str


@dataclass(frozen=True, slots=True)
class SeriesSearch:
    """What a series was searched for when it was judged, and what it was not."""

    looked_for: tuple[FaultSearch, ...]
    not_looked_for: tuple[OpenFault, ...]

    @property
    def found(self) -> list[str]:
        """The faults that were found, in words."""
        return [one.title for one in self.looked_for if one.found]

    @property
    def not_found(self) -> list[str]:
        """Those that were looked for and not found."""
        return [one.title for one in self.looked_for if not one.found]

    @property
    def open_by_reason(self) -> dict[str, list[str]]:
        """Those that were not looked for, by the reason in words."""
        reasons: dict[str, list[str]] = {}
        for one in self.not_looked_for:
            reasons.setdefault(one.why, []).append(one.title)
        return reasons

    @property
    def groups(self) -> tuple[list[str], list[str]]:
        """Groups of faults that were all looked for and not found; and those with a moderate one that was not."""
        of = {one.name: one.group for one in (*MODERATE_FAULTS, *OTHER_FAULTS)}
        open_groups = dict.fromkeys(of[one.fault] for one in self.not_looked_for if one.fault in FAULT_NAMES)
        clear = dict.fromkeys(of.get(one.fault, one.title) for one in self.looked_for if not one.found)
        return [one for one in clear if one not in open_groups], list(open_groups)

    @property
    def certificate(self) -> str:
        """What ACCEPT of the series stands for, and where the rest is said."""
        faults = joined(", ", self.not_found) or Phrase("nothing")
        if not self.not_looked_for:
            return Phrase(
                "no certificate: accepted by what is measured. Looked for: {faults} ({page})", faults=faults, page=PAGE
            )
        return Phrase(
            "no certificate: accepted by what is measured. Looked for: {faults}. Not looked for: {others} ({page})",
            faults=faults,
            others=joined(", ", [one.title for one in self.not_looked_for]),
            page=PAGE,
        )
