"""Writes docs/reference/findings.md from the taxonomy."""

from __future__ import annotations

from miqa_node.core.domain.codes import Code
from miqa_node.core.domain.finding import FindingName, GateClass
from miqa_node.core.taxonomy.base import SOURCE_LANGUAGE, FindingEntry, GateEntry, RuleEntry
from miqa_node.core.taxonomy.lookup import finding_entries, gate_entries
from miqa_node.core.words.phrases import ELSEWHERE, TAKE_OFF

_INTRODUCTION = """\
What a quality model says of an image. Each finding has

- a **probability** in [0, 1], calibrated by the model package on held-out images: of many images with 0.8,
  about four in five have the defect, as far as the calibration images are like those of the site;
- a **threshold**, the operating point of the package's card: at or above it the finding is *present*;
- a **severity** in [0, 1] on a physical scale, below. It is continuous; 0.25, 0.5, 0.75 and 1 are its marks;
- a **code** for machines: the nearest reason of CID 7011 (PS3.16). Some findings share one, so reports also
  carry the name in the private scheme `99MIQA` ([What comes back](results.md));
- a **map** of where it was seen, if the model makes one.

Every assessment has all findings that its package judges, also those below their threshold. The policy decides
what follows ([Policy](../how-to/tune-the-policy.md)). A package may bring findings of its own: its
card says their code and words, which are kept with each assessment ([Model packages](model-package.md)).
"""

_SCALE = """\
The scale is that of the [simulators](../explanation/simulators.md) that the model learned from. On a real image
it reads: "as bad as a simulated defect of this size". It is not a measurement of the patient's motion in
millimetres.
"""

_RULES = """\
## Default rules

What a finding that is present asks for where a rule of the policy has `finding = "default"`, unless the policy has a
rule of its own for it. P is the probability, S the severity. Slight degrees of a soft finding are ordinary: only strong
ones flag ([Operating points](../explanation/operating-points.md)), or what a site's confirmed limits call unusual for a
room ([Limits of rooms](../how-to/limits-of-rooms.md#rooms-learn)). A hard finding always flags from its limits on.
"""

_HINTS = """\
## What to do

The one instruction is of the reason that decided: a wrong label first, then the worst verdict, then what lies furthest
beyond its limit. Where that reason says that no new exposure is needed and another one asks for it, both are told. No
view has a hint of its own; other parts have one where the chest's does not fit.
"""

_GATE = """\
## The gate

Findings mean something only if the image is within the model's scope. The gate has classes of its own, each
with a threshold:
"""

_END = """\
When the gate is present, the image is never accepted: the policy flags it by its rule about `gate`, or it is not
assessed. Rules about findings that need anatomy (positioning, objects, contrast) do not count then; those about motion,
sharpness, noise, exposure, grid lines, detector and double exposure do, unless the grey levels are inverted.

`not_frontal_chest` means **another kind of image**, such as a hand or a photograph. So is an image in which the package
of anatomical points sees no lungs, however it is turned. Of both only what needs no anatomy is kept: these findings and
the measurements, no score, point or prediction. If the header names the body part, the pixels contradict it: the
[issue](plausibility.md) `pixels_contradict_body_part`, for which the shipped policy asks for REVIEW, since label, view
or patient may be wrong, or the chest too blurred, moved or cut to be one. Else it is NOT_ASSESSED.
[What it cannot see](../explanation/quality.md#images-of-another-kind).

## The score

One number in 0–100, where 100 is best. It follows the verdict: REJECT has 0 to 29, REVIEW 30 to 69, ACCEPT 70 to 100.
Within its band it falls with the third root of Π (1 − probability · severity) over all defects that were judged
([ADR 23](../adr/0023-a-score-that-follows-the-verdict.md)).
NOT_ASSESSED has none. The score sorts lists; it decides nothing.

## Older names

Rows and reports keep names that packages no longer use; policies and labels that name one are refused.
`foreign_object` of packages up to quality-0.5.0 is wider than today's: it includes what is `device_in_view` now.
"""


def findings_page(made: str) -> str:
    """The page of all installed taxonomies; ``made`` is the note that says where it comes from."""
    entries = {name: entry for name, entry in finding_entries().items() if not entry.retired}
    return "\n".join([
        "# Findings", "", made, _INTRODUCTION,
        "| finding | called | what it means | severity .25 / .5 / .75 / 1 | code (DCM) |",
        "|---|---|---|---|---|",
        *(_row(name, entry) for name, entry in entries.items()),
        "", _SCALE, _RULES,
        "| finding | kind | review | reject |",
        "|---|---|---|---|",
        *(_rules_row(name, entry) for name, entry in entries.items()),
        "", _HINTS,
        "| finding | what to do | on other parts |",
        "|---|---|---|",
        *(_hint_row(name, entry) for name, entry in entries.items() if name != FindingName.GATE),
        "", _GATE,
        "| class | called | what it means | code (DCM) |",
        "|---|---|---|---|",
        *(_gate_row(name, entry) for name, entry in gate_entries().items()),
        "", _END,
        *(_retired_row(name, entry) for name, entry in finding_entries().items() if entry.retired), "",
    ])  # fmt: skip


def _row(name: FindingName, entry: FindingEntry) -> str:
    words = entry.words[SOURCE_LANGUAGE]
    code = f"{_code(entry.code)}, or that of its class" if name == FindingName.GATE else _code(entry.code)
    cells = (f"`{name}`", words.title, words.meaning or "–", entry.severity.scale or "–", code)
    return f"| {' | '.join(cells)} |"


def _retired_row(name: FindingName, entry: FindingEntry) -> str:
    return f"- `{name}`: {entry.words[SOURCE_LANGUAGE].title}."


def _gate_row(name: GateClass, entry: GateEntry) -> str:
    words = entry.words[SOURCE_LANGUAGE]
    return f"| `{name}` | {words.title} | {words.meaning} | {_code(entry.code)} |"


def _hint_row(name: FindingName, entry: FindingEntry) -> str:
    _, elsewhere = ELSEWHERE.get(name, ((), ""))
    hint = entry.words[SOURCE_LANGUAGE].hint
    if name == FindingName.FOREIGN_OBJECT:
        places = [f"{region}: {text.rstrip('.')}" for region, text in TAKE_OFF.items()]
        hint = "; ".join([*places, f"place unknown: {hint}"])
    return f"| `{name}` | {hint or '–'} | {elsewhere or 'the same'} |"


def _code(code: Code) -> str:
    return f"{code.value} {code.meaning}"


def _rules_row(name: FindingName, entry: FindingEntry) -> str:
    kind = "soft" if entry.soft else "hard"
    return f"| {name} | {kind} | {_rule(entry, 'REVIEW')} | {_rule(entry, 'REJECT')} |"


def _rule(entry: FindingEntry, verdict: str) -> str:
    return ", or ".join(_limits(rule) for rule in entry.policy if rule.verdict == verdict) or "never"


def _limits(rule: RuleEntry) -> str:
    least = (("P", rule.min_probability), ("S", rule.min_severity))
    limits = [f"{letter} ≥ {value:g}" for letter, value in least if value]
    where = [f"over {' or '.join(rule.over)}"] if rule.over else []
    return ", ".join([" and ".join(limits) or "if present", *where])
