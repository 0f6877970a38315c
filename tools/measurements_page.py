"""docs/reference/measurements.md: made from the installed measurements."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from math import inf

from miqa_node.core.domain.measurand import MEASUREMENTS, Measurand, measurands
from miqa_node.core.words.formats import unit
from miqa_node.core.words.measurement_codes import measurement_code
from miqa_node.libraries.plain_statistics.scales import ScaleKind
from miqa_node.stages.measure.tried_on import scanners_of

SERIES_SECTION = "CT and MR series"
SECTIONS = ("Sharpness", "Noise", "Range and exposure", "Patterns", "Exposed field", "Position", SERIES_SECTION)
"""In this order; other sections follow by name."""
INTRODUCTION = """\
The node takes these numbers of every projection radiograph (CR, DX, MG, intra-oral and panoramic images,
single-frame XA and RF, digitised film), those of the section *CT and MR series* of every CT and MR series, and
those of the last sections of the kinds of images that they name, whether or not a model judges it. They need no
model, no site data and no GPU, and they work at the image's own resolution. They stand in the Structured Report
with their UCUM unit, in `miqa-node assess --json`, and can be used as limits in `policy.toml`. *Text in the pixels*
is of the images that are [searched for it](text-in-pixels.md), by a recogniser. Other distributions can
[add measurements](../how-to/extend.md); `python -m tools.reference measurements` lists those that are installed.

Rules that hold for all of them:

- **Padding takes no part.** Pixels in the range of Pixel Padding Value (0028,0120) to Pixel Padding Range Limit
  (0028,0121) are cut away; filters stay two pixels away from them.
- **Left out rather than wrong.** A measurement that an image is too small, too uniform or not described well enough
  for does not appear. There is never an infinite or undefined value.
- **Two scales.** *Stored* values are the numbers in the file without unused bits; noise and range are measured on
  them, so the window does not matter. *Presentation* values are what a display shows after modality LUT, VOI and
  presentation LUT or MONOCHROME1 inversion, from 0 (black) to 65,535 (white); sharpness, brightness and contrast are
  measured on them.
- **Valid for** says on what a number may be used and where it is left out. **Tolerance** says how exact it is, as far
  as a test, a benchmark or the source shows: smaller differences mean nothing. Its numbers are in the unit of the
  measurement; with a percent sign they are a share of the value, if it does not say of what. *Drawn* are synthetic
  images of the tests, *repeated with other noise* those that differ in noise alone: patients and scans differ by more.
  *Usual ranges allow* is the least spread that [usual ranges of scanners](../explanation/usual-ranges.md) take it to
  have, *Scale* what they are made on.
- **Proof** says against what a number was held: an object whose truth is known, or the formula of its source in code of
  its own, in `tests/stages/measure/proofs`; and how closely both agree. Those that the shipped policy decides by, and
  those that read pixels of CT and MR, have one; the others follow. *Own definition* means that no source was open.
- **Tried on** names the real scanners on whose images a measurement was taken while it was written, with the number of
  different images or slices; copies in other encodings count once. *Unknown make* are images whose header names neither
  maker nor model. It says where the numbers were looked at, not that a limit was validated there.
- The same image gives the same numbers on every machine, apart from rounding in lossy decoders.

`miqa_node/stages/measure/` and `packages/miqa-node-series/` have one file a question, with the measurements that
answer it, their formula, source and an example. What a header lacks or
contradicts is listed under [Plausibility issues](plausibility.md)."""
PIPE = "\\|"
"""In the cell of a table."""
SERIES_INTRODUCTION = """\
A CT or MR series is measured as a whole when it is quiet or complete ([how](../explanation/series.md)). The numbers
are of the slices that lie in one stack: localizers, and slices of another size or orientation than most, take no
part. None of them needs a segmentation of organs. They describe; what is too much for your scanners and protocols is
for your policy to say. The tests hold each against phantoms whose noise, signal, gaps, metal, ghosts, truncation,
Hounsfield units, sharpness, rings and streaks are known. The share of faults that the shipped limits find stands in
[CT and MR](../explanation/series.md#how-well-faults-are-found)."""


def measurements_page(made_by: str) -> str:
    """The whole page; ``made_by`` is the comment on top."""
    every = measurands()
    others = sorted({one.section for one in every} - set(SECTIONS))
    lines = ["# Measurements", "", made_by, INTRODUCTION]
    for section in (*SECTIONS, *others):
        lines += ["", f"## {section}", ""]
        if section == SERIES_SECTION:
            lines += [SERIES_INTRODUCTION, ""]
        lines += _of_folder(section, every)
        lines += ["| name | unit | what it is, where it holds, how exact it is |", "|---|---|---|"]
        lines += [_row(one) for one in every if one.section == section]
    return "\n".join([*lines, ""])


def _of_folder(section: str, every: Sequence[Measurand]) -> list[str]:
    """What the folder of the section's first measurement says of them all, after its title."""
    name = next(one.name for one in every if one.section == section)
    folder = {one.name: one.module.rpartition(".")[0] for one in MEASUREMENTS.plugins()}[name]
    _, _, text = (import_module(folder).__doc__ or "" if folder else "").partition("\n\n")
    return [text.strip(), ""] if text.strip() else []


def _row(one: Measurand) -> str:
    """Name and unit, and the rest below each other: side by side, seven columns leave a word for each line."""
    code = measurement_code(one.name)
    labelled = {
        "Source": one.source,
        "Valid for": one.validity,
        "Tolerance": one.tolerance,
        "Proof": _proof(one),
        "Usual ranges allow": _least_spread(one),
        "Scale": _scale(one),
        "Tried on": _tried_on(one),
        "Code": f"{code.value} {code.scheme}",
    }
    lines = [one.definition or one.summary, *(f"**{label}:** {text}" for label, text in labelled.items() if text)]
    return f"| `{one.name}` | {' or '.join(one.units)} | {'<br>'.join(lines).replace('|', PIPE)} |"


def _proof(one: Measurand) -> str:
    """What it was held against, and how closely; empty of measurements without a proof."""
    if not one.is_proven:
        return ""
    amounts = [f"{one.agreement:g} {unit(one.unit)}".strip()] if one.agreement else []
    amounts += [f"{100 * one.agreement_share:g} %"] if one.agreement_share else []
    return f"{one.proof} Agrees within {' or '.join(amounts)}."


def _least_spread(one: Measurand) -> str:
    """What a usual range allows at least; empty of measurements that have no usual range."""
    amounts = [f"{one.least_spread:g} {unit(one.unit)}".strip()] if one.least_spread else []
    amounts += [f"{100 * one.least_spread_share:g} % of the median"] if one.least_spread_share else []
    return " or ".join(amounts) + "." if amounts else ""


def _scale(one: Measurand) -> str:
    """On what a usual range is made; empty of measurements that have no usual range."""
    scale = one.scale
    if not one.has_usual_range:
        return ""
    if scale.kind is ScaleKind.SHARE:
        return f"share, {scale.low:g} to {scale.high:g} {unit(one.unit)}".strip() + "."
    return f"{scale.kind.value}{f', from {scale.low:g}' if scale.kind is ScaleKind.LEVEL and scale.low > -inf else ''}."


def _tried_on(one: Measurand) -> str:
    """The scanners with the number of images, the most tried first; empty of what the table does not list."""
    counts = sorted(scanners_of(one.name).items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{scanner} ({images})" if images else scanner for scanner, images in counts)
