"""The reasons of a verdict by name, in the words of pages and notices."""

from __future__ import annotations

from miqa_node.core.domain.finding import humanised
from miqa_node.core.domain.measurand import measurand_of
from miqa_node.core.language.catalogue import LANGUAGE, say
from miqa_node.core.taxonomy.lookup import all_finding_names, finding_title

OTHER_REASONS = {
    "anomaly": "Unusual image",
    "another_kind": "Another kind of image",
    "audit": "Audit of accepted images",
    "series_incomplete": "Series incomplete",
    "slices_unmeasured": "Slices that could not be measured",
    "instance_numbers_missing": "Instance numbers missing",
}


def reason_words(name: str) -> str:
    """A finding's title, a measurement's label, or the name of another reason in words."""
    if name in OTHER_REASONS:
        return say(OTHER_REASONS[name])
    if name in all_finding_names():
        return finding_title(name, LANGUAGE.get())
    measurand = measurand_of(name)
    return say(measurand.label if measurand else humanised(name))
