"""Looks findings up in all installed taxonomies; an unknown finding is shown in its own words.

If two taxonomies have the same name, the node's own takes precedence, then the first by name of its distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from miqa_node.core.domain.codes import OTHER_FAILURE, Code
from miqa_node.core.domain.finding import Finding, FindingDescription, FindingName, FindingWords, GateClass, humanised
from miqa_node.core.language.catalogue import learn
from miqa_node.core.taxonomy.base import (
    SOURCE_LANGUAGE,
    TAXONOMIES,
    FindingEntry,
    GateEntry,
    NamedEntry,
    Taxonomy,
    read_taxonomy,
)


def finding_entries() -> Mapping[FindingName, FindingEntry]:
    """All entries in their order, retired ones and the gate included."""
    return _merged(tuple(TAXONOMIES.all().values())).findings


def gate_entries() -> Mapping[GateClass, GateEntry]:
    """All classes of the gate in their order."""
    return _merged(tuple(TAXONOMIES.all().values())).gates


def all_finding_names() -> tuple[FindingName, ...]:
    """Current names that any model may report, the gate included."""
    return tuple(name for name, entry in finding_entries().items() if not entry.retired)


def finding_names() -> tuple[FindingName, ...]:
    """Current names that a quality model may report, the gate included."""
    return tuple(name for name in all_finding_names() if not finding_entries()[name].judged_by)


def is_object(name: str) -> bool:
    """Whether the map of a finding shows an object, such as a device; not if no taxonomy has the finding."""
    entry = _entry(name)
    return isinstance(entry, FindingEntry) and entry.region == "object"


def is_of_any_part(name: str) -> bool:
    """Whether a finding needs no anatomy, so that it counts whatever the pixels show; False if no taxonomy has it.

    >>> is_of_any_part("motion_blur"), is_of_any_part("clipped_anatomy"), is_of_any_part("gate")
    (True, False, False)
    """
    entry = _entry(name)
    return isinstance(entry, FindingEntry) and entry.any_part


def is_expected(name: str) -> bool:
    """Whether a finding is not a defect, such as a device; False if no taxonomy has it."""
    entry = _entry(name)
    return isinstance(entry, FindingEntry) and entry.expected


def faults(names: Sequence[str]) -> tuple[str, ...]:
    """Those that are a reason to reject: the defects; expected ones only where a site's policy flags nothing else.

    >>> faults(["motion_blur", "device_in_view"]), faults(["device_in_view"])
    (('motion_blur',), ('device_in_view',))
    """
    return tuple(name for name in names if not is_expected(name)) or tuple(names)


def defect_names() -> tuple[FindingName, ...]:
    """Current names that a quality model may report, the gate excluded."""
    return tuple(name for name in finding_names() if name != FindingName.GATE)


def gate_names() -> tuple[GateClass, ...]:
    """The classes of the gate."""
    return tuple(gate_entries())


def reason_code(name: str) -> Code:
    """The reason of CID 7011 for a finding or a class of the gate; "Other failure" for an unknown one."""
    entry = _entry(name)
    return OTHER_FAILURE if entry is None else entry.code


def finding_title(name: str, language: str = SOURCE_LANGUAGE) -> str:
    """The title of a finding or a class of the gate for people.

    >>> finding_title("noise_underexposure"), finding_title("inverted", "de"), finding_title("patient_motion")
    ('Noisy or under-exposed', 'Schwarz und Weiß vertauscht', 'Patient motion')
    """
    entry = _entry(name)
    return humanised(name) if entry is None else entry.words_in(language).title


def finding_words(finding: Finding, language: str = SOURCE_LANGUAGE) -> FindingWords:
    """The words stored with a finding, else those of the taxonomy, else its name."""
    words = finding.description.words if finding.description is not None else {}
    if words:
        return words.get(language) or words.get(SOURCE_LANGUAGE) or next(iter(words.values()))
    entry = finding_entries().get(finding.name)
    return FindingWords(humanised(finding.name)) if entry is None else entry.words_in(language)


def description_of(name: FindingName) -> FindingDescription | None:
    """The description to store with a finding, as its taxonomy may be uninstalled; None for the node's own."""
    entry = finding_entries().get(name)
    if entry is None or name in BUILT_IN.findings:
        return None
    return FindingDescription(entry.words, flags=bool(entry.policy))


def quality_score(findings: Iterable[Finding]) -> float:
    """One number in 0–100, 100 is best: the share of quality that remains after each finding has reduced it.

    100 · Π(1 − probability · severity) over the present defects. A finding below its operating point takes nothing, nor
    does an expected one, such as a medical device: an unremarkable image scores 100.
    """
    expected = {name for name, entry in finding_entries().items() if entry.expected}
    return 100.0 * math.prod(1.0 - f.strength for f in findings if f.present and f.name not in expected)


def _entry(name: str) -> NamedEntry | None:
    return _by_name(_merged(tuple(TAXONOMIES.all().values()))).get(name)


@lru_cache(maxsize=8)
def _by_name(taxonomy: Taxonomy) -> Mapping[str, NamedEntry]:
    return {str(name): entry for name, entry in (*taxonomy.gates.items(), *taxonomy.findings.items())}


@lru_cache(maxsize=8)
def _merged(taxonomies: tuple[Taxonomy, ...]) -> Taxonomy:
    findings_by_name: dict[FindingName, FindingEntry] = {}
    gates_by_name: dict[GateClass, GateEntry] = {}
    for one in taxonomies:
        for name, entry in one.findings.items():
            findings_by_name.setdefault(name, entry)
        for gate, gate_entry in one.gates.items():
            gates_by_name.setdefault(gate, gate_entry)
    named: tuple[NamedEntry, ...] = (*findings_by_name.values(), *gates_by_name.values())
    for described in named:
        for (
            language,
            words,
        ) in described.words.items():  # reasons stored with a verdict name findings in English
            learn(language, {described.words[SOURCE_LANGUAGE].title: words.title})
    return Taxonomy(findings_by_name, gates_by_name)


BUILT_IN = read_taxonomy(Path(__file__).parent)
