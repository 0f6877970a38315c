"""Codes of findings: the most specific code, codes for segments, and the certainty."""

from __future__ import annotations

from miqa_node.core.domain.codes import REASON_CODES, Code
from miqa_node.core.domain.finding import Finding
from miqa_node.core.taxonomy.base import SCHEME, CertaintyEntry
from miqa_node.core.taxonomy.lookup import finding_entries, finding_words, is_object
from miqa_node.core.words.codes import CERTAINTY_OF_FINDING, PHYSICAL_OBJECT, SPATIAL_CONCEPT, Concept, private_value


def finding_code(finding: Finding) -> Code:
    """The code of a finding; the reason of CID 7011 is given separately.

    A finding that is not in the taxonomy keeps the code of its package's card. If that is only a reason of CID 7011, it
    gets a private code made from its name, with its own words.
    """
    entry = finding_entries().get(finding.name)
    if entry is not None:
        return entry.code if entry.concept is None else entry.concept.code
    if finding.code.scheme != "DCM" or finding.code.value not in REASON_CODES:
        return finding.code
    return Code(private_value(finding.name), SCHEME, finding_words(finding).title[:64])


def segment_codes(finding: Finding) -> tuple[Code, Code]:
    """(category, type) of a finding's segment, PS3.16 CID 7150 and, for objects, CID 7158."""
    return PHYSICAL_OBJECT if is_object(finding.name) else SPATIAL_CONCEPT, finding_code(finding)


def certainty_code(finding: Finding) -> Code:
    """The probability of a finding.

    One concept per finding, because viewers show a number only with its own name: "Certainty of Finding 93 %" would not
    say which finding.
    """
    entry = finding_entries().get(finding.name)
    if entry is None or entry.certainty is None:
        words = f"Certainty of {finding_words(finding).title}"
        return Code(private_value(f"p_{finding.name}"), SCHEME, words[:64])
    return _certainty(entry.certainty).code


def _certainty(entry: CertaintyEntry) -> Concept:
    definition = f"Calibrated probability of {entry.of}, 0 to 100 %."
    return Concept(entry.value, f"Certainty of {entry.of}", definition, CERTAINTY_OF_FINDING)
